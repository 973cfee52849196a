// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Another agent of the node, which keeps sockets in a sockhash of its own. It takes sockets that
 * accept connections at a port, from their handshake on or at their next write.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

const volatile __u32 port;

/* Number of sockets that it took, and that it could not take. */
long claimed, refused;
/* Number of messages that its own verdict saw. */
long messages;

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u64);
} foreign_sockets SEC(".maps");

SEC("sk_msg")
int pass_message(struct sk_msg_md *msg)
{
	__sync_fetch_and_add(&messages, 1);
	return SK_PASS;
}

SEC("sockops")
int claim_sockets(struct bpf_sock_ops *ctx)
{
	__u64 cookie;

	if (ctx->op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB || ctx->local_port != port)
		return 1;
	cookie = bpf_get_socket_cookie(ctx);
	if (bpf_sock_hash_update(ctx, &foreign_sockets, &cookie, BPF_ANY))
		__sync_fetch_and_add(&refused, 1);
	else
		__sync_fetch_and_add(&claimed, 1);
	return 1;
}

char LICENSE[] SEC("license") = "GPL";
