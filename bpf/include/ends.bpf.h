/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The receive accounting of an end, and the list of those that the scan is to look at.
 *
 * For each end: received by recv = advance of copied_seq + sent to it by redirect
 * holds exactly when nothing redirected is unread or under way, because copied_seq does not move
 * for redirected bytes. The left side only ever lags (a receive is counted after it took its
 * bytes), so read it first.
 */
#ifndef MESHACCEL_ENDS_BPF_H
#define MESHACCEL_ENDS_BPF_H

#include "maps.bpf.h"
#include <bpf/bpf_core_read.h>

/* Flags that the tracepoint's receives may carry (include/linux/socket.h). */
#define MSG_OOB	     0x1
#define MSG_PEEK     0x2
#define MSG_TRUNC    0x20
#define MSG_WAITALL  0x100
#define MSG_ERRQUEUE 0x2000

/* What receives account for beyond the TCP queue: redirected bytes that were read, modulo 2^32. */
static __always_inline __u32 received_beyond_tcp(__u32 received, __u32 copied_seq, __u32 base)
{
	return received - (copied_seq - base);
}

/* Bytes that came by TCP since the record was made. The kernel counts the peer's FIN as one. */
static __always_inline __u64 tcp_bytes_of(const struct tcp_sock *tp, const struct end *end)
{
	const struct sock_common *common = &tp->inet_conn.icsk_inet.sk.__sk_common;
	bool fin = common->skc_flags & (1UL << bpf_core_enum_value(enum sock_flags, SOCK_DONE));

	return tp->bytes_received - end->bytes_before - fin;
}

/* The flag goes up before the record is made and down after it is deleted: it may say yes for too
 * long, never no. */
static __always_inline void want(struct sock *sk, struct end *end)
{
	if (end->wanted || __sync_lock_test_and_set(&end->wanted, 1))
		return;
	if (!bpf_sk_storage_get(&meshaccel_wanted, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE))
		end->wanted = 0;
}

static __always_inline void unwant(struct sock *sk, struct end *end)
{
	bpf_sk_storage_delete(&meshaccel_wanted, sk);
	__sync_lock_test_and_set(&end->wanted, 0);
}

/* A habit of the end's reader that redirected bytes would not survive. */
static __always_inline enum reason bad_habit(int flags)
{
	if (flags & MSG_WAITALL)
		return REASON_WAITALL;
	if (flags & (MSG_TRUNC | MSG_OOB))
		return REASON_TRUNCATED_READ;
	return REASON_NONE;
}

#endif
