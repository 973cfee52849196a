/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Tells the sockets of a pod's sidecar from those of its other programs. */
#ifndef MESHACCEL_PROXY_BPF_H
#define MESHACCEL_PROXY_BPF_H

#include "peek.bpf.h"
#include <bpf/bpf_core_read.h>

/* The gid of the program that opened or accepted the socket; NO_GID if it has no file. */
static __always_inline __u32 gid_of(const struct tcp_sock *tp)
{
	struct socket *socket = peek(struct sock, (__u64)tp, sk_socket);

	return socket ? BPF_CORE_READ((struct socket_alloc *)socket, vfs_inode.i_gid.val) : NO_GID;
}

/* Whether the pod's sidecar opened the socket. If the sidecar runs as root, its gid
 * distinguishes it from other root processes. */
static __always_inline bool is_proxy(const struct tcp_sock *tp, const struct end *end)
{
	const struct pod *pod = bpf_map_lookup_elem(&meshaccel_pods, &end->netns_cookie);

	if (!pod || tp->inet_conn.icsk_inet.sk.sk_uid.val != pod->proxy_uid)
		return false;
	return pod->proxy_uid || (pod->proxy_gid != NO_GID && gid_of(tp) == pod->proxy_gid);
}

#endif
