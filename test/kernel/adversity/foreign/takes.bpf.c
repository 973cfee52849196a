// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Another agent of the node, which takes connected sockets into a sockhash of its own, without a
 * verdict. The kernel allows that for a socket that is in another agent's sockhash.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 64);
	__type(key, __u64);
	__type(value, __u64);
} foreign_sockets SEC(".maps");

const volatile __u32 port = 0;

/* Takes the sockets that were accepted at the port in one network namespace. */
SEC("iter/tcp")
int take_sockets(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	struct tcp_sock *tp;
	__u64 key;

	if (!common || common->skc_state != TCP_ESTABLISHED || common->skc_num != port)
		return 0;
	tp = bpf_skc_to_tcp_sock(common);
	if (!tp)
		return 0;
	key = common->skc_dport;
	bpf_map_update_elem(&foreign_sockets, &key, tp, BPF_ANY);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
