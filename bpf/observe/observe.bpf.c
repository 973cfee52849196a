// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Observes how the readers of watched sockets read, and when the sockets close. */
#include "closed.bpf.h"
#include "descriptor.bpf.h"
#include "drained.bpf.h"
#include "quarantine.bpf.h"
#include "waitall.bpf.h"
#include <bpf/bpf_tracing.h>

/* Whether a receive may have blocked, in a pod whose user does not accept the effects of membership
 * on such a reader. */
static __always_inline bool is_left_alone(const struct end *end, int flags)
{
	return !(flags & MSG_DONTWAIT) && !accepts_blocking(end->netns_cookie);
}

/* Where FIONREAD hides redirected bytes, the verdict sends a message by TCP if it is longer than
 * any receive of its reader so far. Programs such as nginx ask FIONREAD after a receive that fills
 * their buffer. So such a program asks about TCP bytes first, which FIONREAD counts. A reader that
 * leaves bytes unread, and reads on without asking, has no such habit. */
static __always_inline void learn_room(struct sock *sk, struct end *end, __u32 length)
{
	const struct config *config = config_get();
	const struct tcp_sock *tp;

	if (!config || !(config->fionread_hides & FIONREAD_HIDES_REDIRECTED))
		return;
	if (end->left_some)
		end->room = READS_WITHOUT_ASKING;
	else if (length > end->room)
		end->room = length;
	tp = bpf_skc_to_tcp_sock(sk);
	end->left_some = tp && tp->copied_seq != tp->rcv_nxt;
}

/* The reader has shown a habit that does not work with redirected bytes. */
static __always_inline void turned(struct sock *sk, struct end *end, struct conn *conn,
				   enum reason bad, int ret, int flags)
{
	__u32 slot = end->conn - 1;

	quarantine((void *)bpf_get_current_task(), end->netns_cookie, bad);
	if (bad == REASON_WAITALL && cut_short(sk, ret, flags)) {
		seal(conn, slot, bad);
		doom(conn, slot, end->role, bad);
	} else {
		stop(conn, slot, REASON_READER_CHANGED);
	}
}

/* A peek. A member's reader sees redirected bytes alone, until it has read them. So one that looks
 * whether a message is complete may wait for TCP bytes that it has. Programs that look at a single
 * byte want to know whether the connection is open. A look at the first bytes of a connection tells
 * its protocol. */
static __always_inline int peeked(struct sock *sk, int ret, int flags)
{
	struct end *end = bpf_sk_storage_get(&meshaccel_ends, sk, NULL, 0);
	enum reason bad = bad_habit(flags);
	bool is_member;
	struct conn *conn;

	if (!end)
		return 0;
	conn = conn_of(end);
	is_member = conn && is_member_state(state_of(conn));
	if (!bad && ret > 1 && (is_member || end->turns))
		bad = REASON_PEEKS;
	if (!bad)
		return 0;
	end->barred = bad;
	if (is_member) {
		end->peeks++;
		turned(sk, end, conn, bad, ret, flags);
	}
	return 0;
}

static __always_inline void received_on_member(struct sock *sk, struct end *end, struct conn *conn,
					       __u32 join, int ret, int flags)
{
	__u32 slot = end->conn - 1;
	enum reason bad = bad_habit(flags);

	if (bad)
		turned(sk, end, conn, bad, ret, flags);
	else if (is_left_alone(end, flags))
		stop(conn, slot, REASON_BLOCKING_READER);
	if (state_of(conn) != CONN_SEALED)
		return;
	redirect_drained_in(conn, !end->role, join);
	/* A thread that sleeps in a receive holds a reference to its psock. Meanwhile the sends of
	 * this end do not count as drained. Now the thread holds none. */
	redirect_drained_in(conn, end->role, join);
}

static __always_inline void received_by_tcp(struct sock *sk, struct end *end, struct conn *conn,
					    __u32 join, int flags)
{
	const struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);

	if (!tp)
		return;
	if (!end->reader_tgid) {
		end->reader_tgid = bpf_get_current_pid_tgid() >> 32;
		bpf_get_current_comm(end->reader_comm, sizeof(end->reader_comm));
		executable_of((void *)bpf_get_current_task(), &end->exe_inode, &end->exe_device);
	}
	prove(end, tp, conn, join);
	if (is_left_alone(end, flags)) {
		end->proof = 0;
		end->why = REASON_BLOCKING_READER;
		return;
	}
	if (tp->write_seq != end->turn_seq) {
		end->turn_seq = tp->write_seq;
		end->turns++;
	}
	if (!is_worth_joining(end) || (conn && conn->excluded) || !pod_enabled(end->netns_cookie))
		return;
	/* Such a socket is in the table of its device, where the visit does not look for it. */
	if (sk->__sk_common.skc_bound_dev_if)
		end->barred = REASON_SOCKET_OPTION;
	else
		want(end->index);
}

/* Runs after each recv, read, readv, recvmsg and their io_uring counterparts, for any protocol. */
static __always_inline int received(struct sock *sk, int ret, int flags)
{
	struct conn *conn;
	struct end *end;
	enum reason bad;
	__u32 join;

	if (sk->sk_protocol != IPPROTO_TCP || !sk->sk_bpf_storage || flags & MSG_ERRQUEUE)
		return 0;
	if (flags & MSG_PEEK)
		return peeked(sk, ret, flags);
	/* A receive that fails also shows a habit. */
	bad = bad_habit(flags);
	if (ret <= 0 && !bad)
		return 0;
	end = bpf_sk_storage_get(&meshaccel_ends, sk, NULL, 0);
	if (!end)
		return 0;

	if (ret > 0) {
		add_ordered(&end->received, ret);
		learn_room(sk, end, ret);
	}
	if (bad)
		end->barred = bad;
	conn = conn_of(end);
	join = conn ? READ_ONCE(conn->join) : 0;
	if (conn && is_member_state(state_of(conn)))
		received_on_member(sk, end, conn, join, ret, flags);
	else if (!end->barred)
		received_by_tcp(sk, end, conn, join, flags);
	return 0;
}

/* Since Linux 6.3. */
SEC("tp_btf/sock_recv_length")
int BPF_PROG(meshaccel_received, struct sock *sk, int ret, int flags)
{
	return received(sk, ret, flags);
}

/* Programs only pass it on. */
struct msghdr;

/* The same on kernels without that tracepoint. Each receive goes through one of these functions. A
 * thread that slept in there while the program was attached is not counted. */
SEC("?fexit/inet_recvmsg")
int BPF_PROG(meshaccel_received_v4, struct socket *socket, struct msghdr *message, size_t size,
	     int flags, int ret)
{
	return received(socket->sk, ret, flags);
}

SEC("?fexit/inet6_recvmsg")
int BPF_PROG(meshaccel_received_v6, struct socket *socket, struct msghdr *message, size_t size,
	     int flags, int ret)
{
	return received(socket->sk, ret, flags);
}

/* Splice never sees redirected bytes, and mistakes the next TCP byte for the next byte. So a member
 * is sealed before its reader's splice moves the first byte. If the redirected bytes have all been
 * read, new bytes come by TCP, and the splice is right. Otherwise no more bytes may follow. */
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
	/* A new socket may have the address of a member that has closed. */
	if (!conn || conn->ends[role].sk != sk || !is_socket(sk, conn->ends[role].cookie))
		return 0;

	quarantine((void *)bpf_get_current_task(), conn->ends[role].netns_cookie, REASON_SPLICE);
	WRITE_ONCE(conn->ends[role].spliced, 1);
	/* The verdict reads the flag after it has seen the connection sealed. */
	if (seal(conn, member->slot, REASON_SPLICE) && !redirect_drained(conn, !role))
		doom(conn, member->slot, role, REASON_SPLICE);
	return 0;
}

/* One of two programs for the splice watch. This one costs nothing while no program splices, and
 * sees io_uring too.
 */
SEC("kprobe/tcp_splice_read")
int BPF_KPROBE(meshaccel_splice, struct socket *socket)
{
	return spliced((__u64)BPF_CORE_READ(socket, sk));
}

/* For kernels without kprobes. It puts every system call of the node on the slow entry path. */
SEC("tracepoint/syscalls/sys_enter_splice")
int meshaccel_splice_call(struct trace_event_raw_sys_enter *ctx)
{
	return spliced(socket_of(ctx->args[0]));
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(meshaccel_closed, const struct sock *sk, int oldstate, int newstate)
{
	struct end *end;

	if (newstate != TCP_CLOSE)
		return 0;
	end = bpf_sk_storage_get(&meshaccel_ends, (struct sock *)sk, NULL, 0);
	if (end)
		end_closed(end, bpf_skc_to_tcp_sock((struct sock *)sk));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
