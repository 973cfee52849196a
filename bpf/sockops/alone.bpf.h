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

#include "calls.bpf.h"
#include "drained.bpf.h"

/* The first probe follows this time after the last packet. */
#define PROBE_IDLE_S 1
/* The first and the longest pause between two probes. Each further pause is three times as long. An
 * application hardly ever chooses a power of three, so TCP_KEEPINTVL tells whose keepalive it is.
 */
#define PROBE_MIN_S 3
#define PROBE_MAX_S 27
/* A socket gives up the calls per packet if it is not paired after this time, or after it has sent
 * this many packets. */
#define UNPAIRED_NS	 (10 * SEC_NS)
#define UNPAIRED_PACKETS 4096

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

	if (!conn)
		return end->barred || ctx->segs_out > UNPAIRED_PACKETS ||
		       bpf_ktime_get_ns() - end->born_ns > UNPAIRED_NS;
	reason = reason_of(conn);
	return state_of(conn) == CONN_WATCHED &&
	       (end->barred || reason == REASON_STREAM || reason == REASON_POD_DISABLED ||
		reason == REASON_EXCLUDED);
}

static __always_inline int get_option(struct bpf_sock_ops *ctx, int level, int name)
{
	int value = 0;

	bpf_getsockopt(ctx, level, name, &value, sizeof(value));
	return value;
}

static __always_inline void set_option(struct bpf_sock_ops *ctx, int level, int name, int value)
{
	bpf_setsockopt(ctx, level, name, &value, sizeof(value));
}

/* Whether the socket probes by our values, and not by values that the application has set since. */
static __always_inline bool probes_for_us(struct bpf_sock_ops *ctx, const struct end *end)
{
	return end->probe_s && get_option(ctx, SOL_TCP, TCP_KEEPINTVL) == end->probe_s;
}

/* Has the socket send a packet soon, and another one if bytes still lie unread then. */
static __always_inline void probe_soon(struct bpf_sock_ops *ctx, struct end *end)
{
	__u64 now = bpf_ktime_get_ns();

	if (probes_for_us(ctx, end)) {
		if (now - end->probed_ns < end->probe_s * SEC_NS || end->probe_s >= PROBE_MAX_S)
			return;
		end->probe_s *= 3;
	} else {
		end->idle_s = get_option(ctx, SOL_TCP, TCP_KEEPIDLE);
		end->interval_s = get_option(ctx, SOL_TCP, TCP_KEEPINTVL);
		end->probe_s = 0;
		/* An option that cannot be restored must not be changed. */
		if (!end->idle_s || !end->interval_s)
			return;
		end->kept_alive = !!get_option(ctx, SOL_SOCKET, SO_KEEPALIVE);
		end->probe_s = PROBE_MIN_S;
		set_option(ctx, SOL_TCP, TCP_KEEPIDLE, PROBE_IDLE_S);
	}
	end->probed_ns = now;
	set_option(ctx, SOL_TCP, TCP_KEEPINTVL, end->probe_s);
	if (!end->kept_alive)
		set_option(ctx, SOL_SOCKET, SO_KEEPALIVE, 1);
}

/* Restores the keepalive. Values that the application has set meanwhile stay. A member that had no
 * keepalive keeps one, like all members: see meshaccel_kick(). */
static __always_inline void end_probes(struct bpf_sock_ops *ctx, struct end *end,
				       const struct config *config)
{
	__u32 idle_s = end->kept_alive ? end->idle_s : config->keepalive_s;

	if (probes_for_us(ctx, end)) {
		if (get_option(ctx, SOL_TCP, TCP_KEEPIDLE) == PROBE_IDLE_S)
			set_option(ctx, SOL_TCP, TCP_KEEPIDLE, idle_s);
		set_option(ctx, SOL_TCP, TCP_KEEPINTVL, end->interval_s);
	}
	end->probe_s = 0;
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
	is_member = conn && is_member_state(state_of(conn));
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
