// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Watches the connections of enrolled pods from their handshake on. */
#include "identity.bpf.h"

SEC("sockops")
int meshaccel_watch(struct bpf_sock_ops *ctx)
{
	struct counters *counters;
	struct bpf_sock *sk;
	struct end *end;
	enum role role;
	__u64 cookie;

	switch (ctx->op) {
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		role = ROLE_CLIENT;
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		role = ROLE_SERVER;
		break;
	default:
		return 1;
	}

	cookie = bpf_get_netns_cookie(ctx);
	if (!pod_enabled(cookie))
		return 1;

	/* TCP_REPAIR completes a handshake that no packet was part of, with numbers of its user's
	 * choice. */
	if (role == ROLE_CLIENT && !ctx->skb_len) {
		count(REASON_FORGED_HANDSHAKE);
		return 1;
	}

	sk = ctx->sk;
	if (!sk)
		return 1;
	end = bpf_sk_storage_get(&meshaccel_ends, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!end) {
		count(REASON_TABLE_FULL);
		return 1;
	}
	end_init(end, (struct isn_pair){.own = ctx->snd_nxt, .peer = ctx->rcv_nxt}, role, cookie);
	end->base = ctx->rcv_nxt;
	end->turn_seq = ctx->snd_nxt;

	counters = counters_get();
	if (counters)
		counters->watched++;
	return 1;
}

char LICENSE[] SEC("license") = "GPL";
