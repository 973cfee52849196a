// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Visits the wanted ends of one network namespace: pairs them and makes them join.
 *
 * A join needs the socket itself. This program finds it in the namespace's own table of
 * connections, which takes no lock that a process can hold. The agent runs it inside the namespace
 * (BPF_PROG_TEST_RUN), and never while the scan runs. The first two words of skb->cb hold the netns
 * cookie. A result of 1 asks for one more run at once, in the namespaces that the next scan names.
 * The program is not attached to tc, and sees no packet.
 */
#include "scan/join.bpf.h"
#include "scan/leave.bpf.h"
#include "scan/pair.bpf.h"

/* BPF_F_CURRENT_NETNS, which the types of older kernels lack. */
#define CURRENT_NETNS (-1L)

struct visit {
	struct __sk_buff *skb;
	struct config *config;
	__u64 netns_cookie;
	__u32 next;
	__u32 used;
	__u32 at_once;
	__u32 pad;
};

/* Finds the socket in its namespace's table. That table treats an IPv4 address inside IPv6 as IPv4.
 */
static __always_inline struct bpf_sock *look_up(struct __sk_buff *skb, __u64 sk)
{
	__be16 sport = peek(struct sock, sk, __sk_common.skc_dport);
	__be16 dport = bpf_htons(peek(struct sock, sk, __sk_common.skc_num));
	struct in6_addr remote = peek(struct sock, sk, __sk_common.skc_v6_daddr);
	struct in6_addr local = peek(struct sock, sk, __sk_common.skc_v6_rcv_saddr);
	const __be32 *words = remote.in6_u.u6_addr32;
	struct bpf_sock_tuple tuple = {};

	if (peek(struct sock, sk, __sk_common.skc_family) == AF_INET6 &&
	    (words[0] || words[1] || words[2] != bpf_htonl(0xffff))) {
		__builtin_memcpy(tuple.ipv6.saddr, &remote, sizeof(remote));
		__builtin_memcpy(tuple.ipv6.daddr, &local, sizeof(local));
		tuple.ipv6.sport = sport;
		tuple.ipv6.dport = dport;
		return bpf_sk_lookup_tcp(skb, &tuple, sizeof(tuple.ipv6), CURRENT_NETNS, 0);
	}
	tuple.ipv4.saddr = peek(struct sock, sk, __sk_common.skc_daddr);
	tuple.ipv4.daddr = peek(struct sock, sk, __sk_common.skc_rcv_saddr);
	tuple.ipv4.sport = sport;
	tuple.ipv4.dport = dport;
	return bpf_sk_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), CURRENT_NETNS, 0);
}

/* Visits one wanted end, or skips to the next. */
static long visit_next(__u32 step, struct visit *all)
{
	__u32 index = all->next, distance;
	const struct watched *watched;
	const struct tcp_sock *tp;
	struct bpf_sock *sk;
	struct end *end;

	if (index >= all->used)
		return 1;
	distance = until_wanted(index);
	all->next += distance ?: 1;
	if (distance)
		return 0;
	watched = bpf_map_lookup_elem(&meshaccel_watched, &index);
	if (!watched || watched->netns_cookie != all->netns_cookie || !all->config)
		return 0;
	sk = watched->cookie ? look_up(all->skb, watched->sk) : NULL;
	if (!sk) {
		unwant_index(index);
		return 0;
	}
	tp = bpf_skc_to_tcp_sock(sk);
	end = bpf_sk_storage_get(&meshaccel_ends, sk, NULL, 0);
	if (tp && end && end->index == index && end->cookie == watched->cookie)
		all->at_once |= visit(sk, tp, end, all->config);
	else
		unwant_index(index);
	bpf_sk_release(sk);
	return 0;
}

SEC("tc")
int meshaccel_visit(struct __sk_buff *skb)
{
	const __u32 *used = watched_used();
	struct visit all = {
	    .skb = skb,
	    .used = used ? *used : 0,
	    .config = config_get(),
	    .netns_cookie = skb->cb[0] | (__u64)skb->cb[1] << 32,
	};

	bpf_loop(MAX_WATCHED, visit_next, &all, 0);
	return all.at_once;
}

char LICENSE[] SEC("license") = "GPL";
