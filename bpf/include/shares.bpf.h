/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Fair shares of meshaccel_conns: a pod may take a slot as long as it holds fewer of them than are
 * free, so that it gets half of them at most, n greedy pods get 1/(n + 1) each, and there is always
 * room for another one. The pod that opened the connection is charged: nobody can make others pay.
 */
#ifndef MESHACCEL_SHARES_BPF_H
#define MESHACCEL_SHARES_BPF_H

#include "maps.bpf.h"

/* Under this key, the slots of all; no namespace has it. */
#define ALL_PODS 0

/* Slots held, by the netns cookie of the client. Pods that hold none are forgotten in time. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 2 * MAX_PODS);
	__type(key, __u64);
	__type(value, __s32);
} meshaccel_shares __weak SEC(".maps");

static __always_inline __s32 share_of(__u64 netns_cookie)
{
	const __s32 *share = bpf_map_lookup_elem(&meshaccel_shares, &netns_cookie);

	return share ? *share : 0;
}

static __always_inline void charge(__u64 netns_cookie, __s32 slots)
{
	static const __s32 none;
	__s32 *share = bpf_map_lookup_elem(&meshaccel_shares, &netns_cookie);

	if (!share) {
		bpf_map_update_elem(&meshaccel_shares, &netns_cookie, &none, BPF_NOEXIST);
		share = bpf_map_lookup_elem(&meshaccel_shares, &netns_cookie);
	}
	if (share)
		__sync_fetch_and_add(share, slots);
}

static __always_inline bool may_take_slot(__u64 netns_cookie)
{
	return share_of(netns_cookie) < MAX_CONNS - share_of(ALL_PODS);
}

/* Takes a slot, or gives one back. */
static __always_inline void charge_slots(__u64 netns_cookie, __s32 slots)
{
	charge(netns_cookie, slots);
	charge(ALL_PODS, slots);
}

#endif
