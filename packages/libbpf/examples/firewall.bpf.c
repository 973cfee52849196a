// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Refuses connections over IPv4 to one port. */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

const volatile __u16 refused_port;
volatile __u64 refused;

SEC("cgroup/connect4")
int may_connect(struct bpf_sock_addr *ctx)
{
	if (bpf_ntohs(ctx->user_port) != refused_port)
		return 1;
	__sync_fetch_and_add(&refused, 1);
	/* connect(2) fails with EPERM. */
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
