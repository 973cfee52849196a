/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* When an end may be deleted from the sockhash: the argument is in bpf/iter/scan.bpf.c. */
#ifndef MESHACCEL_DRAINED_BPF_H
#define MESHACCEL_DRAINED_BPF_H

#include "ends.bpf.h"
#include "peek.bpf.h"

#define RCV_SHUTDOWN 1

/* Sealed, so that `sent` is final: has the reader received all that its peer redirected to it? Once
 * it has, it has for good, and the answer is kept. A receive in progress has moved copied_seq but
 * is not counted yet, so a busy reader is best asked after one of its receives: observe.bpf.c does.
 */
static __always_inline bool redirect_drained(struct conn *conn, int sender)
{
	struct conn_end *reader = &conn->ends[!sender];
	__u32 received, excess, sent, join = conn->join;

	if (reader->closed || reader->drained == join)
		return true;
	/* In this order: see ends.bpf.h. */
	received = peek_end(reader->end, received);
	__sync_lock_test_and_set(&conn->fence, 0);
	excess = received_beyond_tcp(received, peek(struct tcp_sock, reader->sk, copied_seq),
				     peek_end(reader->end, base));
	sent = *(volatile __u32 *)&conn->directions[sender].sent;
	if (excess != sent &&
	    !(excess + 1 == sent && peek(struct sock, reader->sk, sk_shutdown) & RCV_SHUTDOWN &&
	      queue_empty(reader->psock)))
		return false;
	reader->drained = join;
	return true;
}

/* Redirected bytes are unread that this reader will not see: both ends are to be reset. */
static __always_inline void doom(struct conn *conn, __u32 slot, __u32 role)
{
	const struct conn_end *reader = &conn->ends[role & 1];
	struct event event = {
	    .netns_cookie = reader->netns_cookie,
	    .kind = EVENT_RESET,
	    .reason = conn->reason,
	    .tgid = peek_end(reader->end, reader_tgid),
	};

	if (!conn->doomed) {
		bpf_probe_read_kernel(event.comm, sizeof(event.comm),
				      ((struct end *)reader->end)->reader_comm);
		conn->doomed = 1;
		count(REASON_RESET);
		tell(&event);
	}
	attend(conn, slot);
}

#endif
