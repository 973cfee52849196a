// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Another agent of the node, which takes sockets that it knows by their addresses into a sockhash
 * of its own, without a verdict: the kernel allows that for a socket that is in somebody else's.
 * Run by BPF_PROG_TEST_RUN in the socket's network namespace, with the tuple in skb->cb.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 64);
	__type(key, __u64);
	__type(value, __u64);
} foreign_sockets SEC(".maps");

/* Returns 0, 1 where there is no such socket, 2 where it may not be taken. */
SEC("tc")
int take_socket(struct __sk_buff *skb)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *sk;
	__u64 port;
	long error;

	tuple.ipv4.saddr = skb->cb[0];
	tuple.ipv4.daddr = skb->cb[1];
	tuple.ipv4.sport = skb->cb[2];
	tuple.ipv4.dport = skb->cb[3];
	sk = bpf_sk_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return 1;
	port = tuple.ipv4.sport;
	error = bpf_map_update_elem(&foreign_sockets, &port, sk, BPF_ANY);
	bpf_sk_release(sk);
	return error ? 2 : 0;
}

char LICENSE[] SEC("license") = "GPL";
