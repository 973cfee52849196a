// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Watches the connections of enrolled pods from their handshake on. */
#include "closed.bpf.h"
#include "identity.bpf.h"
#include "sockops/alone.bpf.h"

/* A member that half-closes leaves at once if its reader may block. tcp_bpf_recvmsg waits only
 * once. The peer's acknowledgement of the FIN wakes it without data, so a blocking receive would
 * fail with EAGAIN. */
static __always_inline void half_closed(struct conn *conn, const struct end *end)
{
	if (conn->ends[end->role & 1].blocking && is_member_state(state_of(conn)) &&
	    seal(conn, end->conn - 1, REASON_HALF_CLOSED))
		leave_if_drained(conn, end);
}

/* Whether TCP discards unread bytes: at connect(AF_UNSPEC), or at a close with a linger time of 0.
 * In all other cases TCP_CLOSE leaves them to the reader. Those are a reset, which has set an error
 * by now, and a connection whose FINs have both gone. */
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
	/* This comes before the record forgets its connection. The socket may live on. The kernel
	 * takes it out of the sockhash only when it is destroyed, so it would stay a member until
	 * then. */
	if (conn && tp && is_disconnected(tp, ctx->args[0]))
		delete_member(end);
	else if (conn)
		leave_if_drained(conn, end);
	end_closed(end, tp);
}

/* A socket that connects again must not keep bytes that were redirected to it before. */
static __always_inline void connecting(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct end *end = sk ? bpf_sk_storage_get(&meshaccel_ends, sk, NULL, 0) : NULL;

	if (!end)
		return;
	delete_member(end);
	end_closed(end, NULL);
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
		/* The socket was disconnected and has kept its record. */
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
	/* TCP_REPAIR completes a handshake without a packet, with sequence numbers that its user
	 * chose. The record marks the connection, so that no pass takes it for an older one. It
	 * gets a key that no other end has. */
	if (role == ROLE_CLIENT && !ctx->skb_len) {
		end->barred = REASON_FORGED_HANDSHAKE;
		end->key = (struct isn_pair){.own = end->cookie, .peer = end->cookie >> 32};
	}

	begin_calls(ctx, end, tp);
	return 1;
}

char LICENSE[] SEC("license") = "GPL";
