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

#endif
