// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Iterators over the TCP sockets of the network namespace in which the iterator was created. Only
 * the first program here goes over tasks. The others run under the socket's lock. So its sequence
 * numbers are consistent, and they may set its options.
 */
#include "address.bpf.h"
#include "ends.bpf.h"
#include "identity.bpf.h"
#include "probes.bpf.h"

#define SOCK_KEEPOPEN 3

static __always_inline struct tcp_sock *established(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;

	if (!common || common->skc_state != TCP_ESTABLISHED)
		return NULL;
	return bpf_skc_to_tcp_sock(common);
}

/* Notes an end. If a second socket claims to be the same end, one of the two is a forgery
 * (TCP_REPAIR). Then neither is trusted. */
static __always_inline void sight(const void *sk, const struct isn_pair *key, enum role role,
				  __u64 waits_in)
{
	struct sighting sighting = {.identity = identity_of(key, role), .role = role};
	struct seen *seen, fresh = {.sk = (__u64)sk, .waits_in = waits_in};

	seen = bpf_map_lookup_elem(&meshaccel_sightings, &sighting);
	if (!seen) {
		bpf_map_update_elem(&meshaccel_sightings, &sighting, &fresh, BPF_ANY);
	} else if (seen->sk == fresh.sk) {
		seen->waits_in = waits_in;
	} else if (seen->sk) {
		seen->sk = 0;
		count(REASON_SECOND_CLAIM);
	}
}

/* The note of this end of the connection if it is beyond doubt, else NULL. */
static __always_inline const struct seen *sighted(const struct isn_pair *identity, enum role role)
{
	struct sighting sighting = {.identity = *identity, .role = role};
	const struct seen *seen = bpf_map_lookup_elem(&meshaccel_sightings, &sighting);

	return seen && seen->sk ? seen : NULL;
}

/* The note of an end's peer if both are beyond doubt, else NULL. */
static __always_inline const struct seen *peer_sighted(const struct isn_pair *key, enum role role)
{
	struct isn_pair identity = identity_of(key, role);

	return sighted(&identity, role) ? sighted(&identity, !role) : NULL;
}

/* Whether another socket already claims to be this end. */
static __always_inline bool claimed(const struct isn_pair *key, enum role role)
{
	struct isn_pair identity = identity_of(key, role);
	const struct claim *claim = bpf_map_lookup_elem(&meshaccel_identities, &identity);

	return claim && claim->sk[role & 1];
}

static long sight_one(__u32 index, void *unused)
{
	const struct watched *watched = bpf_map_lookup_elem(&meshaccel_watched, &index);
	struct end end;

	if (!watched || !watched->cookie || has_closed(watched->sk, watched->cookie) ||
	    bpf_probe_read_kernel(&end, sizeof(end), (void *)watched->end) ||
	    end.cookie != watched->cookie || end.conn || end.barred == REASON_FORGED_HANDSHAKE)
		return 0;
	sight((void *)watched->sk, &end.key, end.role & 1, 0);
	return 0;
}

/* For connections that are older than the agent, or than the enrolment of a pod. A walk over one
 * namespace visits the socket table of the whole node. So the agent walks over the namespaces of
 * new pods only. Earlier notes about other namespaces stay. This program notes the watched ends
 * there, and runs first. */
SEC("iter/task")
int meshaccel_sight_watched(struct bpf_iter__task *ctx)
{
	const __u32 *used = watched_used();

	if (!ctx->task && used)
		bpf_loop(*used, sight_one, NULL, 0);
	return 0;
}

/* First pass over a new pod: notes each end, under both roles that it may have. */
SEC("iter/tcp")
int meshaccel_sight(struct bpf_iter__tcp *ctx)
{
	struct tcp_sock *tp = established(ctx);
	struct isn_pair key;
	__u64 cookie;

	if (!tp || bpf_sk_storage_get(&meshaccel_ends, tp, NULL, 0))
		return 0;
	cookie = tp->inet_conn.icsk_inet.sk.__sk_common.skc_net.net->net_cookie;
	key = derive_key(tp, ROLE_CLIENT);
	sight(tp, &key, ROLE_CLIENT, cookie);
	key = derive_key(tp, ROLE_SERVER);
	sight(tp, &key, ROLE_SERVER, cookie);
	return 0;
}

/* Since Linux 6.12. Before, a connection that is older than the agent gets no calls. */
static __always_inline void begin_calls(struct tcp_sock *tp, struct end *end)
{
	int before = tp->bpf_sock_ops_cb_flags, flags = before | CALLS;

	if (end->packet_flags)
		return;
	if (flags == before ||
	    !bpf_setsockopt(tp, SOL_TCP, TCP_BPF_SOCK_OPS_CB_FLAGS, &flags, sizeof(flags)))
		note_calls(end, tp, flags);
}

/* Second pass, after the first pass over all new pods. It begins to watch an end if the end and its
 * peer were noted. Output: the netns cookie (u64) of each peer that is not watched yet. */
SEC("iter/tcp")
int meshaccel_adopt(struct bpf_iter__tcp *ctx)
{
	struct tcp_sock *tp = established(ctx);
	const struct seen *peer;
	struct end fresh = {}, *end;
	struct isn_pair key;
	enum role role;
	__u64 cookie, waits_in;

	if (!tp || bpf_sk_storage_get(&meshaccel_ends, tp, NULL, 0))
		return 0;
	cookie = tp->inet_conn.icsk_inet.sk.__sk_common.skc_net.net->net_cookie;
	if (!pod_enabled(cookie))
		return 0;
	role = ROLE_CLIENT;
	key = derive_key(tp, ROLE_CLIENT);
	peer = peer_sighted(&key, ROLE_CLIENT);
	if (!peer) {
		role = ROLE_SERVER;
		key = derive_key(tp, ROLE_SERVER);
		peer = peer_sighted(&key, ROLE_SERVER);
		if (!peer)
			return 0;
	}
	waits_in = peer->waits_in;
	if (claimed(&key, role)) {
		count(REASON_SECOND_CLAIM);
		return 0;
	}
	/* The record must be complete before others see it: a receive that has just released the
	 * lock counts itself now. Only the index in the table follows. */
	fresh.base = tp->copied_seq;
	fresh.turn_seq = tp->write_seq;
	fresh.bytes_before = tp->bytes_received;
	/* The first receive may have begun before the record was made. */
	fresh.resync = 1;
	end_fill(&fresh, key, role, cookie, bpf_get_socket_cookie(tp), tp);
	end = bpf_sk_storage_get(&meshaccel_ends, tp, &fresh, BPF_SK_STORAGE_GET_F_CREATE);
	if (!end)
		return 0;
	if (!list_end(end, (__u64)tp)) {
		bpf_sk_storage_delete(&meshaccel_ends, tp);
		count(REASON_TABLE_FULL);
		return 0;
	}
	begin_calls(tp, end);
	if (waits_in)
		bpf_seq_write(ctx->meta->seq, &waits_in, sizeof(waits_in));
	return 0;
}

/* Reports the sockets of a pod that nobody watches: they are older than its enrolment, and their
 * peers are not watched. Output: a struct flow_end for each. Its key and role are unknown. */
SEC("iter/tcp")
int meshaccel_unwatched(struct bpf_iter__tcp *ctx)
{
	struct tcp_sock *tp = established(ctx);
	struct flow_end flow = {};

	if (!tp || bpf_sk_storage_get(&meshaccel_ends, tp, NULL, 0))
		return 0;
	flow.netns_cookie = tp->inet_conn.icsk_inet.sk.__sk_common.skc_net.net->net_cookie;
	put_addresses(&flow, (__u64)tp);
	flow.received_tcp_bytes = tp->bytes_received;
	flow.acked_bytes = tp->bytes_acked;
	bpf_seq_write(ctx->meta->seq, &flow, sizeof(flow));
	return 0;
}

/* Since Linux 6.5. */
extern int bpf_sock_destroy(struct sock_common *sk) __ksym __weak;

/* Gives a fresh edge to the readers that the scan named, and gives new members their settings. A
 * member that never probes its peer gets a keepalive. An accelerated connection sends no packets,
 * so its conntrack entries would expire. A member that has given up the calls per packet gets them
 * again. */
SEC("iter/tcp")
int meshaccel_kick(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	const struct config *config = config_get();
	struct counters *counters;
	struct tcp_sock *tp;
	struct conn *conn;
	struct end *end;
	__u32 bit;

	if (!common || !config)
		return 0;
	tp = bpf_skc_to_tcp_sock(common);
	if (!tp)
		return 0;
	end = bpf_sk_storage_get(&meshaccel_ends, tp, NULL, 0);
	if (!end)
		return 0;
	conn = conn_of(end);
	if (!conn)
		return 0;
	bit = 1 << (end->role & 1);
	if (conn->doomed) {
		if (bpf_sock_destroy)
			bpf_sock_destroy(common);
		else
			conn->doomed = CANNOT_RESET;
		return 0;
	}
	if (__sync_fetch_and_and(&conn->kick, ~bit) & bit) {
		/* tcp_set_rcvlowat() wakes the reader if it has something to read. The value is the
		 * application's own. */
		set_option(tp, SOL_SOCKET, SO_RCVLOWAT,
			   tp->inet_conn.icsk_inet.sk.sk_rcvlowat ?: 1);
		/* This option wakes a writer that waits for room. */
		if (writer_stranded((__u64)tp))
			set_option(tp, SOL_TCP, TCP_NOTSENT_LOWAT, tp->notsent_lowat);
		if (end->probe_s && !conn->ends[end->role & 1].member)
			end_probes(tp, end, config);
		counters = counters_get();
		if (counters)
			counters->kicks++;
	}
	if (!(__sync_fetch_and_and(&conn->settings, ~bit) & bit))
		return 0;
	begin_calls(tp, end);
	if (config->keepalive_s &&
	    !(tp->inet_conn.icsk_inet.sk.__sk_common.skc_flags & (1UL << SOCK_KEEPOPEN))) {
		set_option(tp, SOL_TCP, TCP_KEEPIDLE, config->keepalive_s);
		set_option(tp, SOL_SOCKET, SO_KEEPALIVE, 1);
	}
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
