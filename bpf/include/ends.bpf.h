/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Watched ends, and the list of wanted ends. */
#ifndef MESHACCEL_ENDS_BPF_H
#define MESHACCEL_ENDS_BPF_H

#include "maps.bpf.h"
#include <bpf/bpf_core_read.h>

/* Flags of receives that the tracepoint may report (include/linux/socket.h). */
#define MSG_OOB	     0x1
#define MSG_PEEK     0x2
#define MSG_TRUNC    0x20
#define MSG_DONTWAIT 0x40
#define MSG_WAITALL  0x100
#define MSG_ERRQUEUE 0x2000

/* Bytes that came by TCP since the record was made. The kernel counts the peer's FIN as one byte.
 */
static __always_inline __u64 tcp_bytes_of(const struct tcp_sock *tp, const struct end *end)
{
	const struct sock_common *common = &tp->inet_conn.icsk_inet.sk.__sk_common;
	bool fin = common->skc_flags & (1UL << bpf_core_enum_value(enum sock_flags, SOCK_DONE));

	return tp->bytes_received - end->bytes_before - fin;
}

/* The word of the list of wanted ends that holds this index. */
static __always_inline __u64 *wanted_word(__u32 index)
{
	struct wanted *wanted = bpf_map_lookup_elem(&meshaccel_wanted, &zero);

	return wanted ? &wanted->words[index / WANTED_BITS % (MAX_WATCHED / WANTED_BITS)] : NULL;
}

static __always_inline bool is_wanted(__u32 index)
{
	const __u64 *word = wanted_word(index);

	return word && READ_ONCE(*word) >> index % WANTED_BITS & 1;
}

/* Requests a visit of the end after the next scan. Idempotent. */
static __always_inline void want(__u32 index)
{
	__u64 *word = wanted_word(index);

	if (word && !is_wanted(index))
		__sync_fetch_and_or(word, 1ULL << index % WANTED_BITS);
}

/* A visit may clear the bit of a record that another socket has just taken. That socket's next
 * receive sets it again. */
static __always_inline void unwant_index(__u32 index)
{
	__u64 *word = wanted_word(index);

	if (word)
		__sync_fetch_and_and(word, ~(1ULL << index % WANTED_BITS));
}

static __always_inline void unwant(const struct end *end)
{
	unwant_index(end->index);
}

/* The distance from this index to the next wanted end, or to the next word if this word holds none.
 */
static __always_inline __u32 until_wanted(__u32 index)
{
	const __u64 *word = wanted_word(index);
	__u64 bits = word ? READ_ONCE(*word) >> index % WANTED_BITS : 0;
	__u32 distance = 0, half;

	if (!bits)
		return WANTED_BITS - index % WANTED_BITS;
	for (half = WANTED_BITS / 2; half; half /= 2) {
		if (bits << (WANTED_BITS - half))
			continue;
		bits >>= half;
		distance += half;
	}
	return distance;
}

static __always_inline __u32 *watched_used(void)
{
	return bpf_map_lookup_elem(&meshaccel_watched_used, &zero);
}

/* Gives the end a record in the table. Returns false if the table is full. */
static __always_inline bool list_end(struct end *end, __u64 sk)
{
	struct watched *watched;
	__u32 index, *used;

	if (bpf_map_pop_elem(&meshaccel_spare, &index)) {
		used = watched_used();
		if (!used)
			return false;
		index = __sync_fetch_and_add(used, 1);
		if (index >= MAX_WATCHED) {
			__sync_fetch_and_add(used, -1);
			return false;
		}
	}
	watched = bpf_map_lookup_elem(&meshaccel_watched, &index);
	if (!watched)
		return false;
	end->index = index;
	watched->sk = sk;
	watched->end = (__u64)end;
	watched->netns_cookie = end->netns_cookie;
	/* Written last, by an ordered exchange: a program that reads the cookie may read the rest.
	 */
	__sync_lock_test_and_set(&watched->cookie, end->cookie);
	return true;
}

/* Returns the record of the socket with this cookie. Idempotent, and safe for any number of
 * programs at once.
 */
static __always_inline void unlist(__u32 index, __u64 cookie)
{
	struct watched *watched = bpf_map_lookup_elem(&meshaccel_watched, &index);

	if (!watched || !cookie || READ_ONCE(watched->cookie) != cookie)
		return;
	unwant_index(index);
	if (__sync_val_compare_and_swap(&watched->cookie, cookie, 0) != cookie)
		return;
	/* This program may interrupt one that holds the queue's lock. The sweep tries again. */
	if (bpf_map_push_elem(&meshaccel_spare, &index, 0))
		__sync_lock_test_and_set(&watched->cookie, cookie);
}

static __always_inline bool is_proven(const struct end *end)
{
	return !end->barred && end->proof >= end->proof_needed;
}

/* Whether the end's reader and its traffic make it worth joining. */
static __always_inline bool is_worth_joining(const struct end *end)
{
	return is_proven(end) && end->turns >= end->turns_needed;
}

/* Whether the pod's user accepts the effects of membership on a blocking reader. Its receive fails
 * with EAGAIN after a signal, a reset or a half-close. */
static __always_inline bool accepts_blocking(__u64 netns_cookie)
{
	const struct pod *pod = bpf_map_lookup_elem(&meshaccel_pods, &netns_cookie);

	/* A pod that is no longer enrolled leaves for that reason. */
	return !pod || pod->blocking_readers;
}

/* A habit of the end's reader that does not work with redirected bytes. */
static __always_inline enum reason bad_habit(int flags)
{
	if (flags & MSG_WAITALL)
		return REASON_WAITALL;
	if (flags & (MSG_TRUNC | MSG_OOB))
		return REASON_TRUNCATED_READ;
	return REASON_NONE;
}

#endif
