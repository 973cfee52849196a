/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The sweep. It looks at every connection about five times a second. It reads the kernel's
 * structures, not our counters. So it finds what no program has reported: sockets that are gone,
 * bytes that a reader does not see, and members that another agent has taken.
 */
#ifndef MESHACCEL_SCAN_STUCK_H
#define MESHACCEL_SCAN_STUCK_H

#include "scan/pair.bpf.h"
#include "scan/tend.bpf.h"

/* A sweep looks at this many waiting threads of one socket at most. */
#define WAITERS_MAX 16
/* Number of sweeps from one check for a closed socket to the next. */
#define GONE_SWEEPS 4

extern const void woken_wake_function __ksym __weak;

/* A thread that sleeps in a receive or a splice of the socket, or NULL. A thread that sleeps in a
 * send looks the same in the list. So the answer is NULL while any thread waits in a send. */
static __noinline struct task_struct *sleeping_reader(__u64 sk)
{
	struct wait_queue_head *head = &peek(struct sock, sk, sk_wq)->wait;
	struct list_head *node = peek(struct wait_queue_head, head, head.next);
	int i;

	if (!&woken_wake_function || peek(struct sock, sk, sk_write_pending))
		return NULL;
	for (i = 0; i < WAITERS_MAX && node && node != &head->head; i++) {
		struct wait_queue_entry *entry =
		    (void *)node - offsetof(struct wait_queue_entry, entry);
		struct task_struct *task = peek(struct wait_queue_entry, entry, private);

		if (peek(struct wait_queue_entry, entry, func) == (void *)&woken_wake_function &&
		    peek(struct task_struct, task, __state))
			return task;
		node = peek(struct list_head, node, next);
	}
	return NULL;
}

/* Counts in how many sweeps in a row something was so. */
static __always_inline __u8 in_a_row(__u8 count, bool is_so)
{
	return !is_so ? 0 : count < 0xff ? count + 1 : count;
}

/* A reader waits for bytes that it has. FIONREAD told it that none is there. Or it peeks at
 * redirected bytes again and again, and they hide the TCP bytes behind them. No kick helps it: the
 * kernel gives an edge for TCP bytes only. So only an error helps the users of this connection. */
static __always_inline void sweep_misled(struct conn *conn, __u32 slot, int role)
{
	struct conn_end *reader = &conn->ends[role & 1];
	__u32 peeks = peek_end(reader->end, peeks);
	bool asks = READ_ONCE(reader->asked) == ASKED_UNREAD;
	bool looks = peeks != reader->swept_peeks && tcp_unread(reader);

	reader->swept_peeks = peeks;
	reader->misled = in_a_row(reader->misled, reader->unread > 1 && (asks || looks));
	if (reader->misled >= STUCK_SWEEPS)
		doom(conn, slot, role, asks ? REASON_ASKS_FIONREAD : REASON_PEEKS);
}

/* One direction of a member. */
static __always_inline void sweep_direction(struct conn *conn, __u32 slot, int sender)
{
	struct direction *direction = &conn->directions[sender & 1];
	struct conn_end *reader = &conn->ends[!sender];
	__u32 sent = READ_ONCE(direction->sent), received;
	struct task_struct *task;
	__u64 psock;

	/* Nothing was redirected since all had been read. */
	if (sent == reader->swept_sent && !reader->unread && !reader->held)
		return;
	psock = is_closed(reader) ? 0 : psock_of(reader);
	received = peek_end(reader->end, received);
	if (!psock || queue_empty(psock)) {
		reader->unread = reader->asleep = 0;
		/* Announced bytes may not be in the queue yet. Then the next sweep looks again. */
		if (!psock || books_balance(conn, sender))
			reader->swept_sent = sent;
		shrink(conn, direction, DIRECTION_BYTES);
	} else {
		reader->swept_sent = sent;
		reader->unread =
		    received == reader->swept_received ? in_a_row(reader->unread, true) : 1;
		task = reader->unread > 1 ? sleeping_reader(reader->sk) : NULL;
		reader->asleep = in_a_row(reader->asleep, task);
		if (reader->asleep >= STUCK_SWEEPS) {
			/* Only an error helps the users of this connection. */
			quarantine(task, reader->netns_cookie, REASON_STUCK);
			doom(conn, slot, !sender, REASON_STUCK);
		}
		/* The reader has taken TCP bytes before redirected bytes that came earlier. */
		if (READ_ONCE(direction->path) != PATH_TCP && sent == READ_ONCE(direction->sent) &&
		    (__s32)(peek(struct tcp_sock, reader->sk, copied_seq) -
			    READ_ONCE(direction->path_seq)) > 0 &&
		    !queue_empty(psock))
			doom(conn, slot, !sender, REASON_OVERTAKEN);
	}
	sweep_misled(conn, slot, !sender);
	/* A redirect waits for the reader's lock, and the sender waits with it. */
	reader->held = in_a_row(reader->held, psock && received == reader->swept_received &&
						  peek(struct sock, reader->sk, sk_lock.owned) &&
						  !books_balance(conn, sender));
	if (reader->held >= HELD_SWEEPS)
		seal(conn, slot, REASON_READER_HOLDS_LOCK);
	reader->swept_received = received;
}

/* Finds changes of a member that no BPF program has seen. */
static __always_inline void sweep_member(struct conn *conn, __u32 slot, int role)
{
	struct conn_end *end = &conn->ends[role & 1];
	__u64 psock;

	if (!end->member || is_closed(end))
		return;
	/* The kernel may send by TCP without asking the verdict again. */
	if (tcp_unread(end))
		attend(conn, slot);
	if (writer_stranded(end->sk))
		kick(conn, slot, role);
	WRITE_ONCE(end->room, receive_room(end->sk));
	psock = psock_of(end);
	if (psock && count_links(psock) > 1)
		stop(conn, slot, REASON_CLAIMED_ELSEWHERE);
	if (peek(struct inet_connection_sock, end->sk, icsk_ulp_ops))
		stop(conn, slot, REASON_ULP);
	if (is_blocking(end->sk) && !accepts_blocking(end->netns_cookie))
		stop(conn, slot, REASON_BLOCKING_READER);
}

/* Finds a closed socket. Both programs that report a close may have missed it (closed.bpf.h). */
static __always_inline void find_closed(struct conn *conn, __u32 slot, int role)
{
	struct conn_end *end = &conn->ends[role & 1];

	if (is_closed(end) || !has_closed(end->sk, end->cookie))
		return;
	WRITE_ONCE(end->closed, end->cookie);
	attend(conn, slot);
}

static long sweep(__u32 slot, struct pass *pass)
{
	struct conn *conn = bpf_map_lookup_elem(&meshaccel_conns, &slot);
	const struct config *config = pass->config;
	__u32 state;
	bool turn;
	int role;

	if (!conn || !config)
		return 0;
	state = state_of(conn);
	if (state == CONN_FREE)
		return 0;
	/* A reader that starts to splice sees no redirected bytes, and would wait forever. */
	if (is_member_state(state))
		pass->watch = 1;
	turn = !((slot + config->sweep) % GONE_SWEEPS);
	for (role = 0; role < ROLES; role++) {
		if (turn)
			find_closed(conn, slot, role);
		/* Looks at each member in every other sweep: half a second is soon enough for these
		 * changes. */
		if (is_member_state(state) && (slot + config->sweep) & 1)
			sweep_member(conn, slot, role);
	}
	/* A request may have found the queue locked, and a close may have been missed. */
	if ((is_member_state(state) && state != CONN_JOINED) || conn->doomed || both_closed(conn))
		attend(conn, slot);
	if (state <= CONN_JOINING || conn->doomed)
		return 0;
	sweep_direction(conn, slot, ROLE_CLIENT);
	sweep_direction(conn, slot, ROLE_SERVER);
	return 0;
}

/* Finds watched sockets whose close no BPF program has reported. Each sweep looks at a part of the
 * table, so that WATCHED_SWEEPS of them cover all of it. */
static long sweep_watched(__u32 index, const __u32 *first)
{
	struct watched *watched;
	__u64 cookie;

	index += *first;
	watched = bpf_map_lookup_elem(&meshaccel_watched, &index);
	if (!watched)
		return 0;
	cookie = READ_ONCE(watched->cookie);
	/* Pairs with the exchange in list_end(). `sk` read after this belongs to this cookie or to
	 * a later one. In the latter case unlist() finds another cookie and does nothing. */
	load_fence(&watched->cookie);
	if (cookie && has_closed(watched->sk, cookie))
		unlist(index, cookie);
	return 0;
}

#define WATCHED_SWEEPS 16

static __always_inline void sweep_a_part(const struct config *config)
{
	const __u32 *used = watched_used();
	__u32 count = used ? *used / WATCHED_SWEEPS + 1 : 0;
	__u32 first = config->sweep % WATCHED_SWEEPS * count;

	bpf_loop(count, sweep_watched, &first, 0);
}

/* Drops one claim that is still without a second end. Its first socket has closed, or no longer
 * renews its claim. The queue holds claims in the order of their age. */
static long give_up_claim(__u32 index, void *unused)
{
	struct due_claim due;
	const struct claim *claim;

	if (bpf_map_peek_elem(&meshaccel_due, &due) ||
	    bpf_ktime_get_ns() - due.since_ns < 2 * PAIRING_NS)
		return 1;
	bpf_map_pop_elem(&meshaccel_due, &due);
	claim = bpf_map_lookup_elem(&meshaccel_identities, &due.identity);
	if (claim && !claim->conn && claim->since_ns == due.since_ns)
		bpf_map_delete_elem(&meshaccel_identities, &due.identity);
	return 0;
}

#endif
