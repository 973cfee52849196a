// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Watches the connections of enrolled pods from their handshake on. */
#include "drained.bpf.h"
#include "identity.bpf.h"

#define SOL_SOCKET  1
#define SO_RCVLOWAT 18

/* Takes an end out of the sockhash if all that was redirected to it has been read. */
static __always_inline void leave_if_drained(struct conn *conn, const struct end *end)
{
	struct isn_pair key = end->key;

	if (redirect_drained(conn, !(end->role & 1)))
		bpf_map_delete_elem(&meshaccel_members, &key);
}

/* A member that half-closes leaves at once if a reader of it may block. tcp_bpf_recvmsg waits once
 * only: the peer's acknowledgement of the FIN, which wakes it without data, would make a blocking
 * receive fail with EAGAIN. */
static __always_inline void half_closed(struct conn *conn, const struct end *end)
{
	__u32 state = conn->state;

	if ((state != CONN_JOINED && state != CONN_STOPPING) ||
	    !conn->ends[end->role & 1].blocking ||
	    __sync_val_compare_and_swap(&conn->state, state, CONN_SEALED) != state)
		return;
	conn->reason = REASON_HALF_CLOSED;
	attend(conn, end->conn - 1);
	leave_if_drained(conn, end);
}

static __always_inline void state_changed(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	__u32 state = ctx->args[1];
	struct conn *conn;
	struct end *end;

	if (!sk || (state != BPF_TCP_FIN_WAIT1 && state != BPF_TCP_CLOSE))
		return;
	end = bpf_sk_storage_get(&meshaccel_ends, sk, NULL, 0);
	conn = end ? conn_of(end) : NULL;
	if (!conn)
		return;
	if (state == BPF_TCP_FIN_WAIT1)
		half_closed(conn, end);
	else
		/* The socket may live on, and would be a member for as long: the kernel takes it
		 * out of the sockhash when it is destroyed. */
		leave_if_drained(conn, end);
}

/* Where the kernel hides a member's TCP bytes from FIONREAD, their reader may sleep on, and no
 * agent is there to wake it and let it leave. Each packet that its socket sends is an occasion: it
 * acknowledges those bytes, and answers the probes of a peer that waits for room.
 */
static __always_inline void fend_for_itself(struct bpf_sock_ops *ctx)
{
	const struct config *config = config_get();
	struct bpf_sock *sk = ctx->sk;
	const struct tcp_sock *tp;
	struct conn *conn;
	struct end *end;
	__u32 state;
	int lowat;

	end = sk ? bpf_sk_storage_get(&meshaccel_ends, sk, NULL, 0) : NULL;
	conn = end ? conn_of(end) : NULL;
	if (!conn || conn->state < CONN_JOINING) {
		/* It is no member any more. */
		bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags &
						   ~BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
		return;
	}
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp || !config || !no_scan_for(config, ABSENT_NS) || tp->rcv_nxt == tp->copied_seq)
		return;
	state = conn->state;
	if (state != CONN_SEALED) {
		if (__sync_val_compare_and_swap(&conn->state, state, CONN_SEALED) != state)
			return;
		conn->reason = REASON_AGENT_STALE;
		attend(conn, end->conn - 1);
	}
	leave_if_drained(conn, end);
	/* Wakes the reader: tcp_set_rcvlowat(). The value is the application's. */
	lowat = tp->inet_conn.icsk_inet.sk.sk_rcvlowat ?: 1;
	bpf_setsockopt(ctx, SOL_SOCKET, SO_RCVLOWAT, &lowat, sizeof(lowat));
}

SEC("sockops")
int meshaccel_watch(struct bpf_sock_ops *ctx)
{
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
	if (end->gone) {
		/* The socket was disconnected, and has kept its records. */
		__builtin_memset(end, 0, sizeof(*end));
		bpf_sk_storage_delete(&meshaccel_wanted, sk);
	}
	end_init(end, (struct isn_pair){.own = ctx->snd_nxt, .peer = ctx->rcv_nxt}, role, cookie,
		 bpf_skc_to_tcp_sock(sk));
	end->base = ctx->rcv_nxt;
	end->turn_seq = ctx->snd_nxt;
	/* TCP_REPAIR completes a handshake that no packet was part of, with numbers of its user's
	 * choice. The record keeps it from being taken for a connection that is older; its key
	 * becomes one that nobody else has. */
	if (role == ROLE_CLIENT && !ctx->skb_len) {
		end->barred = REASON_FORGED_HANDSHAKE;
		cookie = bpf_get_socket_cookie(ctx);
		end->key = (struct isn_pair){.own = cookie, .peer = cookie >> 32};
	}

	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);

	return 1;
}

char LICENSE[] SEC("license") = "GPL";
