// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* The bare mechanism: every socket in the sockhash from its handshake on, every send redirected.
 * Not safe to use: it is what the safe data path is measured against.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#define MAX_SOCKETS 65536

/* Initial sequence numbers: both ends of a connection know them, in mirrored order, and NAT leaves
 * them alone.
 */
struct isn_pair {
	__u32 own;
	__u32 peer;
};

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, MAX_SOCKETS);
	__type(key, struct isn_pair);
	__type(value, __u64);
} naive_sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct isn_pair);
} naive_peers SEC(".maps");

SEC("sockops")
int naive_watch(struct bpf_sock_ops *ctx)
{
	struct isn_pair *peer;
	struct isn_pair key;
	struct bpf_sock *sk;

	if (ctx->op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB &&
	    ctx->op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		return 1;

	sk = ctx->sk;
	if (!sk)
		return 1;
	peer = bpf_sk_storage_get(&naive_peers, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!peer)
		return 1;

	key = (struct isn_pair){.own = ctx->snd_nxt, .peer = ctx->rcv_nxt};
	peer->own = key.peer;
	peer->peer = key.own;
	bpf_sock_hash_update(ctx, &naive_sockets, &key, BPF_NOEXIST);
	return 1;
}

SEC("sk_msg")
int naive_verdict(struct sk_msg_md *msg)
{
	struct isn_pair *peer;

	if (!msg->sk)
		return SK_PASS;
	peer = bpf_sk_storage_get(&naive_peers, msg->sk, NULL, 0);
	if (peer)
		bpf_msg_redirect_hash(msg, &naive_sockets, peer, BPF_F_INGRESS);

	/* A miss leaves the message to TCP; SK_DROP would make the socket's error sticky. */
	return SK_PASS;
}

char LICENSE[] SEC("license") = "GPL";
