/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Connections that a user wants to stay on TCP: one end matches a rule of its pod.
 *
 * A rule uses the view of its end. The remote address is the one that the application dialled, even
 * where REDIRECT leads elsewhere. The port is always the server's, never an ephemeral one. A rule
 * may name the port that the client dialled or the port at which the server listens. The two differ
 * behind REDIRECT and DNAT (8080 and a sidecar's 15006). The server's pod may name either one. The
 * uid is the one that opened or accepted the socket, in the numbers of the node.
 */
#ifndef MESHACCEL_EXCLUDE_BPF_H
#define MESHACCEL_EXCLUDE_BPF_H

#include "peek.bpf.h"
#include <bpf/bpf_endian.h>

#define AF_INET	 2
#define AF_INET6 10

struct remote {
	__u32 family;
	__u32 address[4];
};

/* An IPv4 address inside IPv6 counts as IPv4. */
static __always_inline struct remote remote_of(__u64 sk)
{
	struct remote remote = {.family = AF_INET};

	if (peek(struct sock, sk, __sk_common.skc_family) == AF_INET6) {
		struct in6_addr address = peek(struct sock, sk, __sk_common.skc_v6_daddr);

		__builtin_memcpy(remote.address, &address, sizeof(remote.address));
		if (remote.address[0] || remote.address[1] ||
		    remote.address[2] != bpf_htonl(0xffff)) {
			remote.family = AF_INET6;
			return remote;
		}
		remote.address[0] = remote.address[3];
	} else {
		remote.address[0] = peek(struct sock, sk, __sk_common.skc_daddr);
	}
	remote.address[1] = remote.address[2] = remote.address[3] = 0;
	return remote;
}

static __always_inline bool is_within(const struct remote *remote, const struct cidr *cidr)
{
	return remote->family == cidr->family &&
	       (remote->address[0] & cidr->mask[0]) == cidr->address[0] &&
	       (remote->address[1] & cidr->mask[1]) == cidr->address[1] &&
	       (remote->address[2] & cidr->mask[2]) == cidr->address[2] &&
	       (remote->address[3] & cidr->mask[3]) == cidr->address[3];
}

static __always_inline bool has_port(const struct port_range *range, __u16 port)
{
	return range->from <= port && port <= range->to;
}

/* Whether a rule of the pod matches its end. */
static __noinline bool matches_rule(const struct pod *pod, const struct remote *remote, __u32 uid,
				    __u16 dialled, __u16 listens)
{
	__u32 i;

	for (i = 0; i < MAX_RULES && i < pod->port_rules; i++)
		if (has_port(&pod->ports[i], dialled) || has_port(&pod->ports[i], listens))
			return true;
	for (i = 0; i < MAX_RULES && i < pod->cidr_rules; i++)
		if (is_within(remote, &pod->cidrs[i]))
			return true;
	for (i = 0; i < MAX_RULES && i < pod->uid_rules; i++)
		if (pod->uids[i] == uid)
			return true;
	return false;
}

static __always_inline bool is_excluded(const struct conn *conn, __u32 role)
{
	const struct conn_end *end = &conn->ends[role & 1];
	__u64 netns_cookie = end->netns_cookie;
	const struct pod *pod = bpf_map_lookup_elem(&meshaccel_pods, &netns_cookie);
	struct remote remote = remote_of(end->sk);
	__u16 dialled, listens;

	if (!pod)
		return false;
	dialled = bpf_ntohs(peek(struct sock, conn->ends[ROLE_CLIENT].sk, __sk_common.skc_dport));
	listens = role == ROLE_CLIENT ? dialled : peek(struct sock, end->sk, __sk_common.skc_num);
	return matches_rule(pod, &remote, peek(struct sock, end->sk, sk_uid.val), dialled, listens);
}

/* Applies the rules of its pod to an end of a paired connection, if they may have changed since.
 * All rules of the node share one version number, so both ends are checked again. */
#define ask_rules GLOBAL(meshaccel_ask_rules)
GLOBAL_FUNCTION int ask_rules(struct conn *conn, __u32 role)
{
	const struct config *config = config_get();
	struct conn_end *end;

	if (!conn || !config)
		return 0;
	end = &conn->ends[role & 1];
	if (end->rules == config->rules)
		return 0;
	end->rules = config->rules;
	if (is_excluded(conn, role))
		conn->excluded |= 1U << (role & 1);
	else
		conn->excluded &= ~(1U << (role & 1));
	return 0;
}

#endif
