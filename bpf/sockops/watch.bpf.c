// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Watches the connections of enrolled pods from their handshake on. */
#include "closed.bpf.h"
#include "drained.bpf.h"
#include "identity.bpf.h"

#define SOL_SOCKET  1
#define SO_RCVLOWAT 18

static __always_inline void delete_member(const struct end *end)
{
	struct isn_pair key = end->key;

	bpf_map_delete_elem(&meshaccel_members, &key);
}

/* Takes an end out of the sockhash if all that was redirected to it has been read. */
static __always_inline void leave_if_drained(struct conn *conn, const struct end *end)
{
	if (redirect_drained(conn, !(end->role & 1)))
		delete_member(end);
}

/* A member that half-closes leaves at once if a reader of it may block. tcp_bpf_recvmsg waits once
 * only: the peer's acknowledgement of the FIN, which wakes it without data, would make a blocking
 * receive fail with EAGAIN. */
static __always_inline void half_closed(struct conn *conn, const struct end *end)
{
	if (conn->ends[end->role & 1].blocking && is_member_state(state_of(conn)) &&
	    seal(conn, end->conn - 1, REASON_HALF_CLOSED))
		leave_if_drained(conn, end);
}

/* connect(AF_UNSPEC), or a close that lingers for no time: TCP throws away what is unread. All
 * other ways into TCP_CLOSE leave it to the reader: after a reset, which has set an error by now,
 * and once both FINs have gone. */
static __always_inline bool is_disconnected(const struct tcp_sock *tp, __u32 before)
{
	const struct sock *sk = &tp->inet_conn.icsk_inet.sk;

	return !sk->sk_err && (before == BPF_TCP_ESTABLISHED || before == BPF_TCP_CLOSE_WAIT ||
			       !(sk->sk_shutdown & RCV_SHUTDOWN));
}

static __always_inline void state_changed(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	__u32 state = ctx->args[1];
	struct tcp_sock *tp;
	struct conn *conn;
	struct end *end;

	if (!sk || (state != BPF_TCP_FIN_WAIT1 && state != BPF_TCP_CLOSE))
		return;
	end = bpf_sk_storage_get(&meshaccel_ends, sk, NULL, 0);
	if (!end)
		return;
	conn = conn_of(end);
	if (state == BPF_TCP_FIN_WAIT1) {
		if (conn)
			half_closed(conn, end);
		return;
	}
	tp = bpf_skc_to_tcp_sock(sk);
	/* Before the record forgets its connection. The socket may live on, and would be a member
	 * for as long: the kernel takes it out of the sockhash when it is destroyed. */
	if (conn && tp && is_disconnected(tp, ctx->args[0]))
		delete_member(end);
	else if (conn)
		leave_if_drained(conn, end);
	end_closed(end, tp);
}

/* A socket that connects once more must not bring along what was redirected to it before. */
static __always_inline void connecting(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct end *end = sk ? bpf_sk_storage_get(&meshaccel_ends, sk, NULL, 0) : NULL;

	if (!end)
		return;
	delete_member(end);
	end_closed(end, NULL);
}

/* Gives up the calls per packet, unless somebody has changed the socket's flags since we asked for
 * them: the bit may be theirs, too. */
static __always_inline void end_packet_calls(struct bpf_sock_ops *ctx, struct end *end)
{
	__u32 flags = ctx->bpf_sock_ops_cb_flags;

	if (flags == end->packet_flags)
		bpf_sock_ops_cb_flags_set(ctx, flags & ~BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
	end->packet_flags = 0;
}

/* A connection that soon joins again keeps the calls: a walk that asks for them once more may come
 * after the agent's death. */
static __always_inline bool stays_on_tcp(const struct conn *conn)
{
	__u32 reason = reason_of(conn);

	return state_of(conn) == CONN_WATCHED &&
	       (reason == REASON_STREAM || reason == REASON_POD_DISABLED ||
		reason == REASON_EXCLUDED);
}

/* Where the kernel hides a member's TCP bytes from FIONREAD, their reader may sleep on, and no
 * agent is there to wake it and let it leave. Each packet that its socket sends is an occasion: it
 * acknowledges those bytes, and answers the probes of a peer that waits for room. A socket for
 * which we have not asked for these calls has them for another agent's sake.
 */
static __always_inline void fend_for_itself(struct bpf_sock_ops *ctx)
{
	const struct config *config = config_get();
	struct bpf_sock *sk = ctx->sk;
	const struct tcp_sock *tp;
	struct conn *conn;
	struct end *end;
	int lowat;

	end = sk ? bpf_sk_storage_get(&meshaccel_ends, sk, NULL, 0) : NULL;
	if (!end || !end->packet_flags)
		return;
	conn = conn_of(end);
	if (!conn || stays_on_tcp(conn)) {
		end_packet_calls(ctx, end);
		return;
	}
	if (!is_member_state(state_of(conn)))
		return;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp || !config || !no_scan_for(config, ABSENT_NS) || tp->rcv_nxt == tp->copied_seq)
		return;
	if (state_of(conn) == CONN_JOINING)
		delete_member(end);
	else if (seal(conn, end->conn - 1, REASON_AGENT_STALE))
		leave_if_drained(conn, end);
	/* Wakes the reader: tcp_set_rcvlowat(). The value is the application's. */
	lowat = tp->inet_conn.icsk_inet.sk.sk_rcvlowat ?: 1;
	bpf_setsockopt(ctx, SOL_SOCKET, SO_RCVLOWAT, &lowat, sizeof(lowat));
}

SEC("sockops")
int meshaccel_watch(struct bpf_sock_ops *ctx)
{
	struct tcp_sock *tp;
	struct bpf_sock *sk;
	struct end *end;
	enum role role;
	__u64 cookie;

	switch (ctx->op) {
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		role = ROLE_CLIENT;
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		role = ROLE_SERVER;
		break;
	case BPF_SOCK_OPS_STATE_CB:
		state_changed(ctx);
		return 1;
	case BPF_SOCK_OPS_HDR_OPT_LEN_CB:
		fend_for_itself(ctx);
		return 1;
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		connecting(ctx);
		return 1;
	default:
		return 1;
	}

	cookie = bpf_get_netns_cookie(ctx);
	if (!pod_enabled(cookie))
		return 1;

	sk = ctx->sk;
	if (!sk)
		return 1;
	end = bpf_sk_storage_get(&meshaccel_ends, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!end) {
		count(REASON_TABLE_FULL);
		return 1;
	}
	if (end->born_ns) {
		/* The socket was disconnected, and has kept its record. */
		unlist(end->index, end->cookie);
		__builtin_memset(end, 0, sizeof(*end));
	}
	tp = bpf_skc_to_tcp_sock(sk);
	end_fill(end, (struct isn_pair){.own = ctx->snd_nxt, .peer = ctx->rcv_nxt}, role, cookie,
		 bpf_get_socket_cookie(ctx), tp);
	if (!list_end(end, (__u64)tp)) {
		bpf_sk_storage_delete(&meshaccel_ends, sk);
		count(REASON_TABLE_FULL);
		return 1;
	}
	end->base = ctx->rcv_nxt;
	end->turn_seq = ctx->snd_nxt;
	/* TCP_REPAIR completes a handshake that no packet was part of, with numbers of its user's
	 * choice. The record keeps it from being taken for a connection that is older; its key
	 * becomes one that nobody else has. */
	if (role == ROLE_CLIENT && !ctx->skb_len) {
		end->barred = REASON_FORGED_HANDSHAKE;
		end->key = (struct isn_pair){.own = end->cookie, .peer = end->cookie >> 32};
	}

	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);

	return 1;
}

char LICENSE[] SEC("license") = "GPL";
