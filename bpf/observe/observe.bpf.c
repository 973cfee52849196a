// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* What the readers of watched sockets do, and when the sockets close. */
#include "drained.bpf.h"
#include "ends.bpf.h"
#include "identity.bpf.h"
#include <bpf/bpf_tracing.h>

/* One receive of a plain connection: does the accounting explain all that left the TCP queue? */
static __always_inline void prove(struct end *end, const struct tcp_sock *tp,
				  const struct conn *conn)
{
	__u32 redirected = conn ? conn->directions[!end->role].sent : 0;
	__u32 excess = received_beyond_tcp(end->received, tp->copied_seq, end->base) - redirected;

	if (!excess) {
		end->proof++;
		return;
	}
	/* Bytes left the queue by another way (splice, a kernel reader, a mapped receive). The
	 * first receive of an adopted end may only have begun before the record did. */
	if (end->adopted)
		end->base -= excess;
	else
		end->barred = REASON_UNACCOUNTED;
	end->proof = 0;
}

/* Since Linux 6.3: after each recv, read, readv, recvmsg and their io_uring kin. */
SEC("tp_btf/sock_recv_length")
int BPF_PROG(meshaccel_received, struct sock *sk, int ret, int flags)
{
	const struct tcp_sock *tp;
	struct conn *conn;
	struct end *end;
	enum reason bad;

	if (ret <= 0 || flags & (MSG_PEEK | MSG_ERRQUEUE))
		return 0;
	end = bpf_sk_storage_get(&meshaccel_ends, sk, NULL, 0);
	if (!end)
		return 0;

	add_ordered(&end->received, ret);
	conn = conn_of(end);
	bad = bad_habit(flags);
	if (bad)
		end->barred = bad;
	if (conn && conn->state >= CONN_JOINED) {
		if (bad)
			stop(conn, end->conn - 1, REASON_READER_CHANGED);
		if (conn->state == CONN_SEALED)
			redirect_drained(conn, !end->role);
		return 0;
	}
	if (end->barred)
		return 0;

	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return 0;
	if (!end->reader_tgid) {
		end->reader_tgid = bpf_get_current_pid_tgid() >> 32;
		bpf_get_current_comm(end->reader_comm, sizeof(end->reader_comm));
	}
	if (!conn || conn->state == CONN_WATCHED)
		prove(end, tp, conn);
	end->adopted = 0;
	if (tp->write_seq != end->turn_seq) {
		end->turn_seq = tp->write_seq;
		end->turns++;
	}
	if (end->proof >= PROOF_RECEIVES && end->turns >= end->turns_needed)
		want(sk, end);
	return 0;
}

/* A watched socket is gone: its claim and, with the second end's, the slot of its connection are
 * free again. */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(meshaccel_closed, const struct sock *sk, int oldstate, int newstate)
{
	struct counters *counters;
	struct claim *claim;
	struct conn *conn;
	struct isn_pair identity;
	struct end *end;
	__u32 role, held, slot;

	if (newstate != TCP_CLOSE)
		return 0;
	end = bpf_sk_storage_get(&meshaccel_ends, (struct sock *)sk, NULL, 0);
	if (!end || __sync_lock_test_and_set(&end->gone, 1))
		return 0;

	role = end->role & 1;
	counters = counters_get();
	if (counters) {
		const struct tcp_sock *tp = bpf_skc_to_tcp_sock((struct sock *)sk);

		counters->closed++;
		if (tp)
			counters->tcp_bytes += tp->bytes_received - end->bytes_before;
	}
	if (!end->joined)
		count(end->barred ?: end->why);

	identity = identity_of(&end->key, role);
	claim = bpf_map_lookup_elem(&meshaccel_identities, &identity);
	if (!claim || claim->sk[role] != (__u64)sk)
		return 0;
	conn = conn_of(end);
	if (conn)
		conn->ends[role].closed = 1;
	held = __sync_fetch_and_and(&claim->held, ~(1U << role));
	if (held & ~(1U << role))
		return 0;
	slot = claim->conn - 1;
	if (claim->conn) {
		conn = bpf_map_lookup_elem(&meshaccel_conns, &slot);
		if (conn) {
			conn->state = CONN_FREE;
			bpf_map_push_elem(&meshaccel_free, &slot, BPF_ANY);
		}
	}
	bpf_map_delete_elem(&meshaccel_identities, &identity);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
