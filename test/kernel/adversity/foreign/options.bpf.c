// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Another agent of the node, which writes an option into the header of each packet. It requests a
 * call at each packet and counts the calls. When the socket closes, it counts the packets.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#define KIND_EXPERIMENT 254
#define OPTION_BYTES	4

/* Whether it clears the flags of others when it sets its own. */
const volatile int overwrites;

/* Number of options written, of packets with data, and of sockets that had lost the flag at their
 * end. */
long written, packets, lost, closed;

static __always_inline void set_flags(struct bpf_sock_ops *ctx)
{
	int own = BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG | BPF_SOCK_OPS_STATE_CB_FLAG;

	bpf_sock_ops_cb_flags_set(ctx, overwrites ? own : ctx->bpf_sock_ops_cb_flags | own);
}

SEC("sockops")
int write_options(struct bpf_sock_ops *ctx)
{
	__u8 option[OPTION_BYTES] = {KIND_EXPERIMENT, OPTION_BYTES, 0xad, 0x5e};

	switch (ctx->op) {
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		set_flags(ctx);
		break;
	case BPF_SOCK_OPS_HDR_OPT_LEN_CB:
		bpf_reserve_hdr_opt(ctx, OPTION_BYTES, 0);
		break;
	case BPF_SOCK_OPS_WRITE_HDR_OPT_CB:
		if (!bpf_store_hdr_opt(ctx, option, OPTION_BYTES, 0))
			__sync_fetch_and_add(&written, 1);
		if (overwrites)
			set_flags(ctx);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		if (ctx->args[1] != BPF_TCP_CLOSE)
			break;
		__sync_fetch_and_add(&closed, 1);
		__sync_fetch_and_add(&packets, ctx->data_segs_out);
		if (!(ctx->bpf_sock_ops_cb_flags & BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG))
			__sync_fetch_and_add(&lost, 1);
		break;
	}
	return 1;
}

char LICENSE[] SEC("license") = "GPL";
