/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The receive accounting of an end. copied_seq does not move for redirected bytes, so
 *
 *	received by recv = advance of copied_seq + sent to it by redirect
 *
 * holds exactly when nothing redirected is unread or under way. The left side only ever lags,
 * because a receive is counted after it took its bytes: read it first.
 *
 * It informs. It shows how a program reads, and it is the cheapest sign that a direction is
 * drained. It proves nothing by its failure. The kernel skips the counting program when it
 * interrupts another run of itself, and since Linux 7.0 when it preempts one; splice, urgent bytes
 * and mapped receives move copied_seq without a receive; a redirect that fails was announced all
 *the same. Each of these leaves a difference that would stay for ever. So the books are set right
 *at the next receive on TCP, where nothing redirected can be unread: there the difference is known
 *to mean nothing but a missed count, or a habit. drained.bpf.h says what takes the place of the
 * equation.
 *
 * Books that were set right once prove nothing any more. The difference may have been another
 * thread's receive that took its bytes and was not counted yet, or the connection may have joined
 * between two looks: then they would balance while something is unread.
 */
#ifndef MESHACCEL_ACCOUNTING_BPF_H
#define MESHACCEL_ACCOUNTING_BPF_H

#include "conn.bpf.h"
#include "ends.bpf.h"

#define RCV_SHUTDOWN 1

/* Redirected bytes that were read, modulo 2^32: receives account for them beyond the TCP queue. */
static __always_inline __u32 received_beyond_tcp(__u32 received, __u32 copied_seq, __u32 base)
{
	return received - (copied_seq - base);
}

/* Has a connection joined that was on TCP at its join number `join`? What was read before is
 * ordered before this look. */
static __always_inline bool joined_since(struct conn *conn, __u32 join)
{
	__sync_lock_test_and_set(&conn->fence, 0);
	return is_member_state(state_of(conn)) || READ_ONCE(conn->join) != join;
}

/* One receive of a connection that was on TCP at its join number `join`: does the accounting
 * explain all that left the TCP queue? If it does not, bytes left the queue by another way, or a
 * receive was not counted. */
static __always_inline void prove(struct end *end, const struct tcp_sock *tp, struct conn *conn,
				  __u32 join)
{
	struct conn_end *me = conn ? &conn->ends[end->role & 1] : NULL;
	__u32 redirected = conn ? conn->directions[!end->role].sent : 0;
	__u32 excess = received_beyond_tcp(end->received, tp->copied_seq, end->base) - redirected;
	bool expected = end->resync || (me && me->resync);

	/* Then `sent` may tell of bytes that are unread. */
	if (excess && conn && joined_since(conn, join))
		return;
	end->resync = 0;
	if (me)
		me->resync = 0;
	if (!excess) {
		end->proof++;
		return;
	}
	/* The last bytes and the FIN, which is numbered as a byte, in one receive. */
	if (excess == -1U && tp->inet_conn.icsk_inet.sk.sk_shutdown & RCV_SHUTDOWN)
		return;
	/* In this order: who reads the new base sees that it was corrected. */
	WRITE_ONCE(end->corrected, 1);
	__sync_fetch_and_add(&end->base, -excess);
	end->proof = 0;
	end->why = REASON_UNACCOUNTED;
	if (!expected && end->proof_needed < PROOF_RECEIVES_MAX)
		end->proof_needed *= 2;
}

#endif
