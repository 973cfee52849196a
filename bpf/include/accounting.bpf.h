/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The receive accounting of an end. Redirected bytes do not move copied_seq. So the equation
 *
 *	received by recv = advance of copied_seq + sent to it by redirect
 *
 * holds exactly when no redirected byte is unread or under way. The left side only ever lags,
 * because a receive is counted after it took its bytes. So read the left side first.
 *
 * The accounting shows how a program reads. It is also the cheapest sign that a direction is
 * drained. An equation that does not hold proves nothing. These leave a difference for ever:
 *
 *	- The kernel skips the counting program when it interrupts another run of itself.
 *	  Since Linux 7.0 it also skips it when it preempts another run.
 *	- splice, urgent bytes and mapped receives move copied_seq without a receive.
 *	- A redirect that fails was announced all the same.
 *
 * So the next receive on TCP corrects the accounting. No redirected byte can be unread there. A
 * difference can then only mean a missed count or a habit of the reader. drained.bpf.h has the
 * proof that replaces the equation.
 *
 * A corrected accounting proves nothing any more. Another thread's receive may have taken its bytes
 * without being counted yet. Or the connection may have joined between two looks. In both cases the
 * equation would then hold while something is unread.
 */
#ifndef MESHACCEL_ACCOUNTING_BPF_H
#define MESHACCEL_ACCOUNTING_BPF_H

#include "conn.bpf.h"
#include "ends.bpf.h"

#define RCV_SHUTDOWN 1

/* Redirected bytes that were read, modulo 2^32: the receives count more than left the TCP queue. */
static __always_inline __u32 received_beyond_tcp(__u32 received, __u32 copied_seq, __u32 base)
{
	return received - (copied_seq - base);
}

/* Whether a connection that was on TCP at its join number `join` has joined since. All that the
 * caller read before is ordered before this check. */
static __always_inline bool joined_since(struct conn *conn, __u32 join)
{
	__sync_lock_test_and_set(&conn->fence, 0);
	return is_member_state(state_of(conn)) || READ_ONCE(conn->join) != join;
}

/* Checks one receive of a connection that was on TCP at its join number `join`. Does the accounting
 * explain all that left the TCP queue? If not, bytes left the queue by another way, or a receive
 * was not counted. */
static __always_inline void prove(struct end *end, const struct tcp_sock *tp, struct conn *conn,
				  __u32 join)
{
	struct conn_end *me = conn ? &conn->ends[end->role & 1] : NULL;
	__u32 redirected = conn ? conn->directions[!end->role].sent : 0;
	__u32 excess = received_beyond_tcp(end->received, tp->copied_seq, end->base) - redirected;
	bool expected = end->resync || (me && me->resync);

	/* After a join `sent` may include bytes that are unread. */
	if (excess && conn && joined_since(conn, join))
		return;
	end->resync = 0;
	if (me)
		me->resync = 0;
	if (!excess) {
		end->proof++;
		return;
	}
	/* One receive took the last bytes and the FIN, which has a sequence number of its own. */
	if (excess == -1U && tp->inet_conn.icsk_inet.sk.sk_shutdown & RCV_SHUTDOWN)
		return;
	/* In this order, so that a reader of the new base sees that it was corrected. */
	WRITE_ONCE(end->corrected, 1);
	add_ordered(&end->base, -excess);
	end->proof = 0;
	end->why = REASON_UNACCOUNTED;
	if (!expected && end->proof_needed < PROOF_RECEIVES_MAX)
		end->proof_needed *= 2;
}

#endif
