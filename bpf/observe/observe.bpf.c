// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* What the readers of watched sockets do, and when the sockets close. */
#include "drained.bpf.h"
#include "ends.bpf.h"
#include "identity.bpf.h"
#include "quarantine.bpf.h"
#include "shares.bpf.h"
#include "waitall.bpf.h"
#include <bpf/bpf_tracing.h>

#define S_IFMT	 00170000
#define S_IFSOCK 0140000

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
	/* The last bytes and the FIN, which is numbered as a byte, in one receive. */
	if (excess == -1U && tp->inet_conn.icsk_inet.sk.sk_shutdown & RCV_SHUTDOWN)
		return;
	/* Bytes left the queue by another way (splice, a kernel reader, a mapped receive). The
	 * first receive of an adopted end may only have begun before the record did. */
	if (end->adopted)
		end->base -= excess;
	else
		end->barred = REASON_UNACCOUNTED;
	end->proof = 0;
}

/* Nothing is redirected any more, at once. */
static __always_inline void seal(struct conn *conn, enum reason reason)
{
	__u32 state = conn->state;

	if ((state == CONN_JOINED || state == CONN_STOPPING) &&
	    __sync_val_compare_and_swap(&conn->state, state, CONN_SEALED) == state)
		conn->reason = reason;
}

/* Since Linux 6.3: after each recv, read, readv, recvmsg and their io_uring kin. */
SEC("tp_btf/sock_recv_length")
int BPF_PROG(meshaccel_received, struct sock *sk, int ret, int flags)
{
	const struct tcp_sock *tp;
	struct conn *conn;
	struct end *end;
	enum reason bad;
	__u32 join;

	if (flags & (MSG_PEEK | MSG_ERRQUEUE))
		return 0;
	/* A habit shows in a receive that fails, too. */
	bad = bad_habit(flags);
	if (ret <= 0 && !bad)
		return 0;
	end = bpf_sk_storage_get(&meshaccel_ends, sk, NULL, 0);
	if (!end)
		return 0;

	if (ret > 0)
		add_ordered(&end->received, ret);
	conn = conn_of(end);
	join = conn ? *(volatile __u32 *)&conn->join : 0;
	if (bad)
		end->barred = bad;
	if (conn && conn->state >= CONN_JOINED) {
		if (bad) {
			quarantine((void *)bpf_get_current_task(), end->netns_cookie, bad);
			if (bad == REASON_WAITALL && cut_short(sk, ret, flags)) {
				seal(conn, bad);
				doom(conn, end->conn - 1, end->role);
			} else {
				stop(conn, end->conn - 1, REASON_READER_CHANGED);
			}
		}
		if (*(volatile __u32 *)&conn->state == CONN_SEALED)
			redirect_drained_in(conn, !end->role, join);
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
		executable_of((void *)bpf_get_current_task(), &end->exe_inode, &end->exe_device);
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

/* The socket behind a descriptor of the current process, 0 if it is something else. */
static __always_inline __u64 socket_of(__u32 fd)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files = BPF_CORE_READ(table, fd);
	struct socket *socket;
	struct file *file;

	if (fd >= BPF_CORE_READ(table, max_fds) ||
	    bpf_probe_read_kernel(&file, sizeof(file), files + fd) || !file ||
	    (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	return (__u64)BPF_CORE_READ(socket, sk);
}

/* Splice never sees redirected bytes and takes the next TCP byte for the next one. A member whose
 * reader turns to it is sealed before the first byte moves: if all that was redirected has been
 * read, what follows comes by TCP, and splice is right; if not, nothing may follow. */
static __always_inline int spliced(__u64 sk)
{
	struct member *member;
	struct conn *conn;
	__u32 role;

	member = sk ? bpf_map_lookup_elem(&meshaccel_sockets, &sk) : NULL;
	if (!member)
		return 0;
	role = member->role & 1;
	conn = bpf_map_lookup_elem(&meshaccel_conns, &member->slot);
	if (!conn || conn->ends[role].sk != sk)
		return 0;

	quarantine((void *)bpf_get_current_task(), conn->ends[role].netns_cookie, REASON_SPLICE);
	__sync_lock_test_and_set(&conn->fence, 0);
	conn->ends[role].spliced = 1;
	seal(conn, REASON_SPLICE);
	if (conn->state == CONN_SEALED && !redirect_drained(conn, !role))
		doom(conn, member->slot, role);
	attend(conn, member->slot);
	return 0;
}

/* The splice watch is one of two. This one costs nothing where nobody splices, and sees io_uring
 * too.
 */
SEC("kprobe/tcp_splice_read")
int BPF_KPROBE(meshaccel_splice, struct socket *socket)
{
	return spliced((__u64)BPF_CORE_READ(socket, sk));
}

/* Where the kernel has no kprobes. It takes every system call of the node to the slow entry. */
SEC("tracepoint/syscalls/sys_enter_splice")
int meshaccel_splice_call(struct trace_event_raw_sys_enter *ctx)
{
	return spliced(socket_of(ctx->args[0]));
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
	__u64 address = (__u64)sk;
	__u32 role, held, slot;

	if (newstate != TCP_CLOSE)
		return 0;
	end = bpf_sk_storage_get(&meshaccel_ends, (struct sock *)sk, NULL, 0);
	if (!end || __sync_lock_test_and_set(&end->gone, 1))
		return 0;

	bpf_map_delete_elem(&meshaccel_sockets, &address);
	role = end->role & 1;
	counters = counters_get();
	if (counters) {
		const struct tcp_sock *tp = bpf_skc_to_tcp_sock((struct sock *)sk);

		counters->closed++;
		if (tp)
			counters->tcp_bytes += tcp_bytes_of(tp, end);
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
	/* The socket may live on when somebody else has the slot. */
	end->conn = 0;
	held = __sync_fetch_and_and(&claim->held, ~(1U << role));
	if (held & ~(1U << role))
		return 0;
	slot = claim->conn - 1;
	if (claim->conn) {
		conn = bpf_map_lookup_elem(&meshaccel_conns, &slot);
		if (conn) {
			conn->state = CONN_FREE;
			charge_slots(conn->ends[ROLE_CLIENT].netns_cookie, -1);
			bpf_map_push_elem(&meshaccel_free, &slot, BPF_ANY);
		}
	}
	bpf_map_delete_elem(&meshaccel_identities, &identity);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
