/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* When an end may be deleted from the sockhash: the argument is in bpf/iter/scan.bpf.c. */
#ifndef MESHACCEL_DRAINED_BPF_H
#define MESHACCEL_DRAINED_BPF_H

#include "ends.bpf.h"
#include "peek.bpf.h"

#define RCV_SHUTDOWN 1

/* Has the reader received all that its peer redirected to it? */
static __always_inline bool redirect_drained(struct conn *conn, int sender)
{
	const struct conn_end *reader = &conn->ends[!sender];
	__u32 received, excess, sent;

	if (reader->closed)
		return true;
	/* In this order: see ends.bpf.h. */
	received = peek_end(reader->end, received);
	__sync_lock_test_and_set(&conn->fence, 0);
	excess = received_beyond_tcp(received, peek(struct tcp_sock, reader->sk, copied_seq),
				     peek_end(reader->end, base));
	sent = *(volatile __u32 *)&conn->directions[sender].sent;
	if (excess == sent)
		return true;
	return excess + 1 == sent && peek(struct sock, reader->sk, sk_shutdown) & RCV_SHUTDOWN &&
	       queue_empty(reader->psock);
}

#endif
