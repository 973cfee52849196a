/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Decides when an end has read all that was redirected to it. Only then may it leave the sockhash,
 * because the kernel would discard queued bytes.
 *
 * The proof from the kernel's structures:
 *
 *	1. The connection is sealed, and a full barrier follows.
 *	2. The sender's psock then shows that no sendmsg is inside. Each sendmsg holds a reference
 *	   from before it asks the verdict until its message is in the peer's queue.
 *	3. A later sendmsg finds the connection sealed and redirects nothing.
 *	4. So the peer's queue can only shrink. Once it is empty, nothing is unread or under way.
 *
 * Check the references first and the queue afterwards: a redirect queues its message before it
 * drops its reference.
 *
 * The receive accounting (accounting.bpf.h) gives the same answer at less cost. It also answers
 * while a thread of the sender sleeps in a receive, which holds a reference. Either answer is
 * enough. A corrected accounting is not asked. Then the connection leaves after that thread has
 * woken.
 */
#ifndef MESHACCEL_DRAINED_BPF_H
#define MESHACCEL_DRAINED_BPF_H

#include "accounting.bpf.h"
#include "conn.bpf.h"
#include "peek.bpf.h"

#define queue_drained	    GLOBAL(meshaccel_queue_drained)
#define books_balance	    GLOBAL(meshaccel_books_balance)
#define redirect_drained_in GLOBAL(meshaccel_redirect_drained)
#define doom		    GLOBAL(meshaccel_doom)

/* Limit for the sockmaps that hold a psock, each with one reference. More count as LINKS_MAX. */
#define LINKS_MAX 4

static __noinline int count_links(__u64 psock)
{
	struct list_head *head = &((struct sk_psock *)psock)->link;
	struct list_head *node = peek(struct sk_psock, psock, link.next);
	int links;

	for (links = 0; links < LINKS_MAX && node && node != head; links++)
		node = peek(struct list_head, node, next);
	return links;
}

/* Whether no byte of this direction is in the reader's queue or on its way there. `own` is the
 * number of references to the sender's psock that the caller holds. Sockmaps hold one for each
 * link. All others belong to a sendmsg or a receive of the socket that is inside, or to a redirect
 * into its queue. The answer stays true if the connection is sealed or the caller holds the
 * sender's lock. */
GLOBAL_FUNCTION int queue_drained(struct conn *conn, __u32 sender, int own)
{
	__u64 psock;
	int links;

	if (!conn)
		return 0;
	psock = psock_of(&conn->ends[sender & 1]);
	links = psock ? count_links(psock) : 0;
	__sync_lock_test_and_set(&conn->fence, 0);
	if (psock && peek(struct sk_psock, psock, refcnt.refs.counter) - links != own)
		return 0;
	__sync_lock_test_and_set(&conn->fence, 0);
	/* Another agent may have put the socket into its sockmap between the two looks. */
	if (psock && count_links(psock) != links)
		return 0;
	psock = psock_of(&conn->ends[~sender & 1]);
	return !psock || queue_empty(psock);
}

/* Whether the reader's receives account for all that was announced to it. This alone is no proof:
 * see books_prove(). */
GLOBAL_FUNCTION int books_balance(struct conn *conn, __u32 sender)
{
	const struct conn_end *reader;
	__u32 received, excess, sent;

	if (!conn)
		return 0;
	reader = &conn->ends[~sender & 1];
	/* In this order: accounting.bpf.h says why. */
	received = peek_end(reader->end, received);
	__sync_lock_test_and_set(&conn->fence, 0);
	excess = received_beyond_tcp(received, peek(struct tcp_sock, reader->sk, copied_seq),
				     peek_end(reader->end, base));
	sent = READ_ONCE(conn->directions[sender & 1].sent);
	return excess == sent ||
	       (excess + 1 == sent && peek(struct sock, reader->sk, sk_shutdown) & RCV_SHUTDOWN &&
		queue_empty(reader->psock));
}

/* The corrected mark is read after the base. */
static __always_inline bool books_prove(struct conn *conn, __u32 sender)
{
	if (!books_balance(conn, sender))
		return false;
	__sync_lock_test_and_set(&conn->fence, 0);
	return !peek_end(conn->ends[~sender & 1].end, corrected);
}

/* Whether the reader has received all that its peer redirected to it, on a sealed connection, where
 * `sent` is final. A positive answer stays true and is kept. The caller reads the join number
 * before the state. A whole leave and join may lie between the two, and the earlier answer says
 * nothing about the next join. */
GLOBAL_FUNCTION int redirect_drained_in(struct conn *conn, __u32 sender, __u32 join)
{
	struct conn_end *reader;

	if (!conn)
		return 0;
	reader = &conn->ends[~sender & 1];
	if (is_closed(reader) || READ_ONCE(reader->drained) == join)
		return 1;
	if (!books_prove(conn, sender)) {
		if (!queue_drained(conn, sender, 0))
			return 0;
		reader->resync = 1;
	}
	WRITE_ONCE(reader->drained, join);
	return 1;
}

/* The same, for callers that keep the connection from joining again meanwhile. */
static __always_inline bool redirect_drained(struct conn *conn, __u32 sender)
{
	return redirect_drained_in(conn, sender, READ_ONCE(conn->join));
}

/* Has both ends reset: redirected bytes are unread that this reader will not see. */
GLOBAL_FUNCTION int doom(struct conn *conn, __u32 slot, __u32 role, __u32 reason)
{
	const struct conn_end *reader;
	struct event event = {.kind = EVENT_RESET, .reason = reason};

	if (!conn)
		return 0;
	reader = &conn->ends[role & 1];
	event.netns_cookie = reader->netns_cookie;
	if (!conn->doomed) {
		event.tgid = peek_end(reader->end, reader_tgid);
		bpf_probe_read_kernel(event.comm, sizeof(event.comm),
				      ((struct end *)reader->end)->reader_comm);
		conn->doomed = DOOMED;
		count(REASON_RESET);
		tell(&event);
	}
	attend(conn, slot);
	return 0;
}

#endif
