/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Lets a member leave, and wakes its reader, while no agent is running.
 *
 * TCP bytes may lie unread on a member, and no further edge comes for them:
 *
 *	- Some kernels hide them from FIONREAD, and the reader asks before each receive.
 *	- They came behind redirected ones. The reader is edge-triggered, and takes a receive that
 *	  returned less than it was asked for as the last one.
 *
 * Each packet that the reader's socket sends is an occasion to wake it: an acknowledgement of those
 * bytes, or the answer to a probe of its full window. The reader may come to read only later, or
 * the agent may end after the last packet. So the socket probes its peer by keepalives while bytes
 * lie unread: first after one second without a packet, then after longer and longer pauses.
 */
#ifndef MESHACCEL_SOCKOPS_ALONE_H
#define MESHACCEL_SOCKOPS_ALONE_H

#include "drained.bpf.h"
#include "probes.bpf.h"

/* A socket gives up the calls per packet if it is not paired after this time, or if it has never
 * joined after it has sent this many packets. */
#define UNPAIRED_NS	 (10 * SEC_NS)
#define UNJOINED_PACKETS 4096

static __always_inline void delete_member(const struct end *end)
{
	struct isn_pair key = end->key;

	bpf_map_delete_elem(&meshaccel_members, &key);
}

/* Takes an end out of the sockhash if it has read all that was redirected to it. */
static __always_inline void leave_if_drained(struct conn *conn, const struct end *end)
{
	if (redirect_drained(conn, !(end->role & 1)))
		delete_member(end);
}

static __always_inline void begin_calls(struct bpf_sock_ops *ctx, struct end *end,
					const struct tcp_sock *tp)
{
	__u32 flags = ctx->bpf_sock_ops_cb_flags | CALLS;

	bpf_sock_ops_cb_flags_set(ctx, flags);
	note_calls(end, tp, flags);
}

/* Gives up the calls per packet. If the socket's flags have changed since, another agent may have
 * set the bit: then it stays. */
static __always_inline void end_packet_calls(struct bpf_sock_ops *ctx, struct end *end)
{
	__u32 flags = ctx->bpf_sock_ops_cb_flags;

	if (flags == end->packet_flags)
		bpf_sock_ops_cb_flags_set(ctx, flags & ~BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
	end->packet_flags = 0;
}

/* Whether the connection stays on TCP for some time. A connection that soon joins again keeps the
 * calls: the agent may die before a walk requests them again. */
static __always_inline bool stays_on_tcp(const struct bpf_sock_ops *ctx, const struct conn *conn,
					 const struct end *end)
{
	__u32 reason;

	if (!conn || !end->joined)
		return end->barred || ctx->segs_out > UNJOINED_PACKETS ||
		       (!conn && bpf_ktime_get_ns() - end->born_ns > UNPAIRED_NS);
	reason = reason_of(conn);
	return state_of(conn) == CONN_WATCHED &&
	       (end->barred || reason == REASON_STREAM || reason == REASON_POD_DISABLED ||
		reason == REASON_EXCLUDED);
}

/* For each packet that a member sends. If we did not request these calls for a socket, another
 * agent did. */
static __always_inline void fend_for_itself(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	const struct config *config;
	const struct tcp_sock *tp;
	struct conn *conn;
	struct end *end;
	bool is_member;

	end = sk ? bpf_sk_storage_get(&meshaccel_ends, sk, NULL, 0) : NULL;
	if (!end || !end->packet_flags)
		return;
	conn = conn_of(end);
	is_member = conn && is_member_state(state_of(conn)) && conn->ends[end->role & 1].member;
	if (!is_member && !end->probe_s) {
		if (stays_on_tcp(ctx, conn, end))
			end_packet_calls(ctx, end);
		return;
	}
	tp = bpf_skc_to_tcp_sock(sk);
	config = config_get();
	if (!tp || !config)
		return;
	if (!is_member || tp->rcv_nxt == tp->copied_seq) {
		if (end->probe_s)
			end_probes(ctx, end, config);
		return;
	}
	probe_soon(ctx, end);
	if (!no_scan_for(config, ABSENT_NS))
		return;
	if (state_of(conn) == CONN_JOINING)
		delete_member(end);
	else if (seal(conn, end->conn - 1, REASON_AGENT_STALE))
		leave_if_drained(conn, end);
	/* tcp_set_rcvlowat() wakes the reader. The value is the application's own. */
	set_option(ctx, SOL_SOCKET, SO_RCVLOWAT, tp->inet_conn.icsk_inet.sk.sk_rcvlowat ?: 1);
}

#endif
