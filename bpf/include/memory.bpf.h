/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Limits a pod's share of the node: slots of meshaccel_conns, and kernel memory for redirected
 * messages that are unread. The pod that opened the connection is charged for both, so that no pod
 * can make others pay.
 *
 * Slots. A pod may take a slot while it holds fewer slots than are free. So one pod gets half of
 * them at most, and n greedy pods get 1/(n + 1) each. There is always room for another pod.
 *
 * Memory. The kernel charges the bytes of a message to TCP's memory. It charges its own object for
 * the message to nobody. So a message costs its bytes and MESSAGE_BYTES. Each direction may hold
 * DIRECTION_BYTES, which the join pays for in advance. Beyond that it takes chunks. The pod and the
 * node are charged with the sum over all directions. So their budgets (config.pod_memory_bytes,
 * config.node_memory_bytes) are hard bounds. Only the verdict adds to direction->allowed. The scan
 * takes back unused chunks. Nothing here depends on an event that the kernel may skip.
 */
#ifndef MESHACCEL_MEMORY_BPF_H
#define MESHACCEL_MEMORY_BPF_H

#include "maps.bpf.h"
#include "peek.bpf.h"

/* The application has set SO_RCVBUF. */
#define SOCK_RCVBUF_LOCK 2

/* The key of the sums over all pods. No namespace has this cookie. */
#define ALL_PODS 0

struct share {
	__s64 bytes;
	__s32 slots;
	__u32 pad;
};

/* Shares by netns cookie of the client. Only the scan makes and deletes records: a pod that holds
 * nothing has none. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * MAX_PODS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct share);
} meshaccel_shares __weak SEC(".maps");

static __always_inline struct share *share_of(__u64 netns_cookie)
{
	return bpf_map_lookup_elem(&meshaccel_shares, &netns_cookie);
}

static __always_inline struct share *make_share(__u64 netns_cookie)
{
	static const struct share none;
	struct share *share = share_of(netns_cookie);

	if (share)
		return share;
	bpf_map_update_elem(&meshaccel_shares, &netns_cookie, &none, BPF_NOEXIST);
	return share_of(netns_cookie);
}

static __always_inline bool may_take_slot(__u64 netns_cookie)
{
	const struct share *pod = share_of(netns_cookie), *all = share_of(ALL_PODS);

	return (pod ? pod->slots : 0) < MAX_CONNS - (all ? all->slots : 0);
}

/* Takes a slot for a pod. For the scan only. */
static __always_inline bool take_slot(__u64 netns_cookie)
{
	struct share *pod, *all;

	if (!may_take_slot(netns_cookie))
		return false;
	pod = make_share(netns_cookie);
	all = make_share(ALL_PODS);
	if (!pod || !all)
		return false;
	pod->slots++;
	all->slots++;
	return true;
}

static __always_inline void return_slot(__u64 netns_cookie)
{
	const __u64 all_pods = ALL_PODS;
	struct share *pod = share_of(netns_cookie), *all = share_of(ALL_PODS);

	if (all && !--all->slots)
		bpf_map_delete_elem(&meshaccel_shares, &all_pods);
	if (pod && !--pod->slots)
		bpf_map_delete_elem(&meshaccel_shares, &netns_cookie);
}

static __always_inline bool has_room(const struct share *share, __u64 budget, __u32 bytes)
{
	return READ_ONCE(share->bytes) + bytes <= (__s64)budget;
}

/* Callable by any program. Several that ask at once may exceed the budget by a chunk each. */
#define take_memory GLOBAL(meshaccel_take_memory)
GLOBAL_FUNCTION int take_memory(__u64 netns_cookie, __u32 bytes)
{
	struct share *pod = share_of(netns_cookie), *all = share_of(ALL_PODS);
	const struct config *config = config_get();

	if (!config || !pod || !all || !has_room(pod, config->pod_memory_bytes, bytes) ||
	    !has_room(all, config->node_memory_bytes, bytes))
		return 0;
	__sync_fetch_and_add(&pod->bytes, (__s64)bytes);
	__sync_fetch_and_add(&all->bytes, (__s64)bytes);
	return 1;
}

static __always_inline void return_memory(__u64 netns_cookie, __u32 bytes)
{
	struct share *pod = share_of(netns_cookie), *all = share_of(ALL_PODS);

	if (pod)
		__sync_fetch_and_add(&pod->bytes, -(__s64)bytes);
	if (all)
		__sync_fetch_and_add(&all->bytes, -(__s64)bytes);
}

/* Limit for the unread redirected bytes of a reader: a quarter of the size that its receive buffer
 * may have. The kernel charges them to that buffer. The window that the reader has announced
 * before does not know of them. TCP bytes that fill this window would find no room. The kernel
 * would drop them, and the sender would repeat them ever more rarely. */
static __always_inline __u32 receive_room(__u64 sk)
{
	struct sock *reader = (void *)sk;
	const struct net *net = peek(struct sock, sk, __sk_common.skc_net.net);
	__u32 room = peek(struct sock, sk, sk_rcvbuf);
	__u32 most = peek(struct net, net, ipv4.sysctl_tcp_rmem[2]);
	bool fixed = BPF_CORE_READ_BITFIELD_PROBED(reader, sk_userlocks) & SOCK_RCVBUF_LOCK;

	return (!fixed && most > room ? most : room) / 4;
}

/* Takes back the chunks of a direction, down to `keep`. For the scan only. */
static __always_inline void shrink(const struct conn *conn, struct direction *direction, __u32 keep)
{
	__u32 allowed = READ_ONCE(direction->allowed);

	if (allowed > keep &&
	    __sync_val_compare_and_swap(&direction->allowed, allowed, keep) == allowed)
		return_memory(conn->ends[ROLE_CLIENT].netns_cookie, allowed - keep);
}

#endif
