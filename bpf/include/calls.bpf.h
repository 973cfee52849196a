/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The calls of the sockops program for a socket: one at each change of its state, and one for each
 * packet that it sends. And the socket options that our programs set.
 */
#ifndef MESHACCEL_CALLS_BPF_H
#define MESHACCEL_CALLS_BPF_H

#include "peek.bpf.h"

#define SOL_SOCKET		  1
#define SO_KEEPALIVE		  9
#define SO_RCVLOWAT		  18
#define SOL_TCP			  6
#define TCP_KEEPIDLE		  4
#define TCP_KEEPINTVL		  5
#define TCP_NOTSENT_LOWAT	  25
#define TCP_BPF_SOCK_OPS_CB_FLAGS 1008

#define CALLS (BPF_SOCK_OPS_STATE_CB_FLAG | BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG)

/* Whether no other sockops program sees this socket. */
static __always_inline bool is_only_program(const struct tcp_sock *tp)
{
	__u64 sk = (__u64)tp, size = bpf_core_type_size(struct bpf_prog_array_item);
	struct cgroup *cgroup = peek(struct sock, sk, sk_cgrp_data.cgroup);
	void *place = cgroup ? &cgroup->bpf.effective : NULL;
	struct bpf_prog_array *all = NULL;
	struct bpf_prog *second;

	place += bpf_core_enum_value(enum cgroup_bpf_attach_type, CGROUP_SOCK_OPS) * sizeof(all);
	if (bpf_probe_read_kernel(&all, sizeof(all), place) || !all)
		return false;
	place = (void *)&all->items + size;
	return !bpf_probe_read_kernel(&second, sizeof(second), place) && !second;
}

/* Notes the flags that we have set. If another agent may want the calls per packet, too, we must
 * not end them. Its program may run after ours. */
static __always_inline void note_calls(struct end *end, const struct tcp_sock *tp, __u32 flags)
{
	end->packet_flags = tp && is_only_program(tp) ? flags : PACKET_FLAGS_SHARED;
}

#endif
