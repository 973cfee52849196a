/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* How a connection joins. Both ends become wanted. Then one end enters the sockhash, and the other
 * one follows. Then the verdict may redirect. R1 to R7 are the rules in verdict.bpf.c.
 */
#ifndef MESHACCEL_SCAN_JOIN_H
#define MESHACCEL_SCAN_JOIN_H

#include "exclude.bpf.h"
#include "proxy.bpf.h"
#include "quarantine.bpf.h"
#include "scan/leave.bpf.h"
#include "scan/pair.bpf.h"

/* The kernel's answer for a socket that has another sk_msg program. */
#define EBUSY 16
/* Why a socket must not enter the sockhash, regardless of its readers. */
static __always_inline enum reason unsuitable(const struct tcp_sock *tp)
{
	const struct sock *sk = &tp->inet_conn.icsk_inet.sk;

	if (tp->inet_conn.icsk_ulp_ops)
		return REASON_ULP;
	if (sk->__sk_common.skc_flags &
	    (1UL << bpf_core_enum_value(enum sock_flags, SOCK_ZEROCOPY)))
		return REASON_ZEROCOPY;
	if (sk->sk_rcvlowat > 1)
		return REASON_RCVLOWAT;
	/* The application has set SO_RCVBUF to less than four chunks. */
	if (receive_room((__u64)tp) < CHUNK_BYTES)
		return REASON_SOCKET_OPTION;
	/* Redirected bytes have no time stamps and no mark of an urgent byte, and a peek at them
	 * ignores SO_PEEK_OFF. They do not report TCP_INQ either. That is no obstacle: gRPC sets
	 * TCP_INQ on every connection, and works without it. */
	if (sk->sk_tsflags || sk->sk_peek_off >= 0 ||
	    sk->__sk_common.skc_flags &
		(1UL << bpf_core_enum_value(enum sock_flags, SOCK_RCVTSTAMP) |
		 1UL << bpf_core_enum_value(enum sock_flags, SOCK_URGINLINE)))
		return REASON_SOCKET_OPTION;
	return REASON_NONE;
}

/* Why the socket's psock keeps it from joining. A psock without a link has left all sockmaps, and
 * stays until a thread that is inside a receive or a send has come out. */
static __always_inline enum reason has_psock(__u64 sk)
{
	__u64 psock = peek_psock(sk);

	if (!psock)
		return REASON_NONE;
	return count_links(psock) ? REASON_CLAIMED_ELSEWHERE : REASON_BUSY;
}

/* Puts the socket into the sockhash. */
static __always_inline enum reason enter(struct bpf_sock *sk, const struct tcp_sock *tp,
					 struct end *end, struct conn_end *me)
{
	struct isn_pair key = end->key;
	struct member member = {.slot = end->conn - 1, .role = end->role & 1};
	__u64 address = (__u64)tp;
	enum reason reason;
	long error;

	/* If it is in another agent's sockmap, the programs of that would share the queue with
	 * ours. */
	reason = has_psock(address);
	if (reason)
		return reason;
	/* The splice watch must know the socket before the first byte is redirected. */
	if (bpf_map_update_elem(&meshaccel_sockets, &address, &member, BPF_ANY))
		return REASON_TABLE_FULL;
	error = bpf_map_update_elem(&meshaccel_members, &key, sk, BPF_NOEXIST);
	if (error) {
		bpf_map_delete_elem(&meshaccel_sockets, &address);
		return error == -EBUSY ? REASON_CLAIMED_ELSEWHERE : REASON_BUSY;
	}
	me->member = 1;
	/* Read after the socket's receives go through the sockmap. From now on a thread that blocks
	 * does so there. */
	me->blocking = is_blocking(address);
	me->psock = peek_psock(address);
	me->room = receive_room(address);
	me->proxy = is_proxy(tp, end);
	end->joined = 1;
	end->turns = 0;
	return REASON_NONE;
}

/* Both ends are members. From here on the verdict decides. */
static __always_inline void engage(struct conn *conn, __u32 slot)
{
	struct counters *counters = counters_get();
	int role;

	for (role = 0; role < ROLES; role++) {
		struct direction *direction = &conn->directions[role];

		direction->path = PATH_TCP;
		direction->reason = REASON_NONE;
		direction->queued = 0;
		direction->run_messages = 0;
		direction->run_bytes = 0;
		direction->trap_seq = peek(struct tcp_sock, conn->ends[role].sk, write_seq);
		conn->ends[role].seen_copied_seq = direction->trap_seq;
		conn->ends[role].stuck = 0;
		conn->ends[role].asleep = 0;
		conn->ends[role].unread = 0;
		conn->ends[role].held = 0;
		conn->ends[role].misled = 0;
	}
	/* These order the writes above before the state: see verdict(). */
	__sync_fetch_and_add(&conn->join, 1);
	__sync_lock_test_and_set(&conn->settings, 3);
	conn->since_ns = bpf_ktime_get_ns();
	conn->since_state = CONN_JOINED;
	__sync_lock_test_and_set(&conn->life, life_of(CONN_JOINED, REASON_NONE));
	if (counters)
		counters->joins++;
	attend(conn, slot);
}

/* R3: charges the pod for the memory that both directions may hold without a further charge. */
static __always_inline bool pay_for_join(struct conn *conn)
{
	__u32 late;

	if (!take_memory(conn->ends[ROLE_CLIENT].netns_cookie, ROLES * DIRECTION_BYTES))
		return false;
	/* A verdict of the join before may have taken a chunk after the connection had left. */
	late = __sync_lock_test_and_set(&conn->directions[ROLE_CLIENT].allowed, DIRECTION_BYTES);
	late += __sync_lock_test_and_set(&conn->directions[ROLE_SERVER].allowed, DIRECTION_BYTES);
	if (late)
		return_memory(conn->ends[ROLE_CLIENT].netns_cookie, late);
	return true;
}

/* The bound for joins is lower than the bound of the verdict. So connections do not go back and
 * forth. */
static __always_inline bool tcp_memory_is_short(const struct tcp_sock *tp,
						const struct config *config)
{
	const struct proto *proto = tp->inet_conn.icsk_inet.sk.__sk_common.skc_prot;

	return proto->memory_allocated->counter >= config->tcp_memory_pages / 8 * 7;
}

/* How often to check the accounting. A receive that has just taken its bytes is counted some
 * microseconds later.
 */
#define BOOKS_LOOKS 64

struct books {
	struct conn *conn;
	__u32 balance;
	__u32 pad;
};

/* Whether the receives of both ends account for all bytes that left their queues. A splice since
 * the last receive leaves a difference. */
static long both_balance(__u32 index, struct books *books)
{
	books->balance = books->conn && books_balance(books->conn, ROLE_CLIENT) &&
			 books_balance(books->conn, ROLE_SERVER);
	return books->balance;
}

static __always_inline bool books_of_both_balance(struct conn *conn)
{
	struct books books = {.conn = conn};

	bpf_loop(BOOKS_LOOKS, both_balance, &books, 0);
	return books.balance;
}

/* Whether this end could not leave while a thread of its peer sleeps in a receive: drained.bpf.h.
 * That thread may wait for an answer to bytes that this end's reader must leave to see. */
static __always_inline bool could_not_leave(__u64 end, __u64 peer_sk)
{
	return peek_end(end, corrected) && is_blocking(peer_sk);
}

/* Whether the end is in a sockhash still. While no scan comes, a packet may have taken it out. */
static __always_inline bool is_in_sockhash(const struct conn_end *end)
{
	__u64 psock = psock_of(end);

	return psock && psock == end->psock && count_links(psock);
}

/* Why the connection of this end may not begin to join now. */
static __always_inline enum reason not_joining(const struct tcp_sock *tp, const struct end *end,
					       const struct config *config)
{
	if (is_blocking((__u64)tp) && !accepts_blocking(end->netns_cookie))
		return REASON_BLOCKING_READER;
	if (tcp_memory_is_short(tp, config))
		return REASON_TCP_MEMORY;
	return has_psock((__u64)tp);
}

static __noinline bool is_proven_at(__u64 address)
{
	struct end end;

	return !bpf_probe_read_kernel(&end, sizeof(end), (void *)address) && is_proven(&end);
}

/* Gives up the join of this end for now. The peer does not wait for it, on TCP or as a lone member.
 */
static __always_inline void back_out(struct end *end, enum reason reason)
{
	struct conn *conn = conn_of(end);

	unwant(end);
	if (!conn)
		return;
	if (state_of(conn) == CONN_JOINING)
		undo_join(conn, end->conn - 1, reason);
	else if (state_of(conn) == CONN_WATCHED)
		conn->ends[end->role & 1].wanted = 0;
}

/* The end does not want to join for some turns. */
static __always_inline void put_off(struct end *end, struct conn_end *me, enum reason reason)
{
	me->wanted = 0;
	count(reason);
	postpone(end, reason);
}

/* Handles an end of a paired connection that is on TCP. Returns whether its ends are to enter. */
static __always_inline bool begin_join(const struct tcp_sock *tp, struct end *end,
				       struct conn *conn, __u32 slot, const struct config *config)
{
	struct conn_end *me = &conn->ends[end->role & 1], *peer = &conn->ends[!(end->role & 1)];
	enum reason reason;

	if (me->spliced || me->asked) {
		bar(end, me->spliced ? REASON_SPLICE : REASON_ASKS_FIONREAD);
		return false;
	}
	if (conn->excluded) {
		me->wanted = 0;
		end->why = REASON_EXCLUDED;
		unwant(end);
		return false;
	}
	if (!both_enabled(conn, config) || bpf_ktime_get_ns() < conn->not_before_ns) {
		me->wanted = 0;
		end->turns = 0;
		unwant(end);
		return false;
	}
	reason = not_joining(tp, end, config);
	if (reason) {
		if (reason == REASON_CLAIMED_ELSEWHERE)
			conn->not_before_ns = bpf_ktime_get_ns() + CLAIMED_NS;
		put_off(end, me, reason);
		return false;
	}
	if (!me->wanted && !peer->wanted)
		conn->since_ns = bpf_ktime_get_ns();
	me->wanted = 1;
	/* The peer was proven when it was visited, and may have changed since. */
	if (peer->wanted && !is_proven_at(peer->end))
		peer->wanted = 0;
	if (!peer->wanted) {
		/* The peer's readers may never become proven. */
		if (bpf_ktime_get_ns() - conn->since_ns > PAIRING_NS) {
			me->wanted = 0;
			postpone(end, REASON_PEER_UNPROVEN);
		}
		return false;
	}
	if (could_not_leave(me->end, peer->sk) || could_not_leave(peer->end, me->sk)) {
		put_off(end, me, REASON_BLOCKING_READER);
		return false;
	}
	/* The next receive by TCP corrects the accounting. Then the end has to be proven again. */
	if (!books_of_both_balance(conn))
		return false;
	if (!pay_for_join(conn)) {
		put_off(end, me, REASON_MEMORY_BUDGET);
		return false;
	}
	conn->since_ns = bpf_ktime_get_ns();
	conn->since_state = CONN_JOINING;
	__sync_lock_test_and_set(&conn->life, life_of(CONN_JOINING, REASON_NONE));
	attend(conn, slot);
	return true;
}

/* Handles an end while its connection joins. Returns whether its peer should enter at once: a lone
 * member may hide received bytes from FIONREAD. */
static __always_inline bool go_on_joining(struct bpf_sock *sk, const struct tcp_sock *tp,
					  struct end *end, struct conn *conn, __u32 slot)
{
	struct conn_end *me = &conn->ends[end->role & 1], *peer = &conn->ends[!(end->role & 1)];
	enum reason reason = REASON_NONE;

	if (!me->member)
		reason = enter(sk, tp, end, me);
	if (!reason && peer->member) {
		if (!is_in_sockhash(peer))
			reason = REASON_JOIN_TIMEOUT;
		else if (!books_of_both_balance(conn))
			reason = REASON_UNACCOUNTED;
	}
	if (reason) {
		undo_join(conn, slot, reason);
		if (reason != REASON_UNACCOUNTED)
			postpone(end, reason);
		return false;
	}
	if (!peer->member)
		return true;
	engage(conn, slot);
	unwant(end);
	return false;
}

/* Why the program of the end's reader is kept off the fast path. */
static __always_inline enum reason quarantined_for(const struct end *end)
{
	const struct quarantine *evidence =
	    evidence_against(end->netns_cookie, end->exe_inode, end->exe_device);

	if (!evidence)
		return REASON_NONE;
	return evidence->reason == REASON_ASKS_FIONREAD ? REASON_ASKS_FIONREAD : REASON_QUARANTINED;
}

/* Visits a wanted end. It pairs the end. Once both ends of a connection are wanted, it makes them
 * join. Returns whether the peer should be visited at once. */
static __always_inline bool visit(struct bpf_sock *sk, const struct tcp_sock *tp, struct end *end,
				  struct config *config)
{
	struct conn *conn;
	enum reason reason;
	__u32 slot, state;

	/* Checks again: the end became wanted some time ago. */
	if (end->gone || !is_proven(end) || !config->redirect || !pod_enabled(end->netns_cookie) ||
	    tp->inet_conn.icsk_inet.sk.__sk_common.skc_state != TCP_ESTABLISHED) {
		back_out(end, REASON_UNACCOUNTED);
		return false;
	}
	reason = unsuitable(tp);
	if (!reason)
		reason = quarantined_for(end);
	if (reason) {
		end->barred = reason;
		back_out(end, reason);
		return false;
	}
	if (!conn_of(end) && !pair((__u64)tp, end, config))
		return false;
	conn = conn_of(end);
	if (!conn)
		return false;
	slot = end->conn - 1;
	ask_rules(conn, end->role);
	state = state_of(conn);
	if (state == CONN_JOINING ||
	    (state == CONN_WATCHED && begin_join(tp, end, conn, slot, config)))
		return go_on_joining(sk, tp, end, conn, slot);
	if (state != CONN_WATCHED)
		unwant(end);
	return false;
}

#endif
