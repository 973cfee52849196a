// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Iterators over the TCP sockets of one network namespace, the one that the iterator was created
 * in, but for the first. They run under the socket's lock, so its sequence numbers belong together,
 * and they may set its options.
 */
#include "ends.bpf.h"
#include "identity.bpf.h"
#include "peek.bpf.h"

#define SOL_SOCKET		  1
#define SOL_TCP			  6
#define TCP_BPF_SOCK_OPS_CB_FLAGS 1008
#define SO_KEEPALIVE		  9
#define SO_RCVLOWAT		  18
#define TCP_KEEPIDLE		  4
#define SOCK_KEEPOPEN		  3
#define WRITE_HDR_OPT_CB_FLAG	  (1 << 6)
/* No set of sockops flags: the bits beyond BPF_SOCK_OPS_ALL_CB_FLAGS are none. */
#define WRITE_HDR_SHARED 0xff

static __always_inline struct tcp_sock *established(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;

	if (!common || common->skc_state != TCP_ESTABLISHED)
		return NULL;
	return bpf_skc_to_tcp_sock(common);
}

/* A second socket that claims to be the same end is a forgery (TCP_REPAIR), or the first one is:
 * neither is believed. */
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

/* What was seen of this end of the connection if it is beyond doubt, else NULL. */
static __always_inline const struct seen *sighted(const struct isn_pair *identity, enum role role)
{
	struct sighting sighting = {.identity = *identity, .role = role};
	const struct seen *seen = bpf_map_lookup_elem(&meshaccel_sightings, &sighting);

	return seen && seen->sk ? seen : NULL;
}

/* What was seen of an end's peer if both are beyond doubt, else NULL. */
static __always_inline const struct seen *peer_sighted(const struct isn_pair *key, enum role role)
{
	struct isn_pair identity = identity_of(key, role);

	return sighted(&identity, role) ? sighted(&identity, !role) : NULL;
}

/* Does another socket claim to be this end already? */
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

/* Connections that are older than the agent or than the enrolment of a pod. A walk over the sockets
 * of a namespace visits the whole table of the node, so only the namespaces of new pods are walked
 * over. What was seen in others stays noted; what is watched there is noted by this, which goes
 * first. */
SEC("iter/task")
int meshaccel_sight_watched(struct bpf_iter__task *ctx)
{
	const __u32 *used = watched_used();

	if (!ctx->task && used)
		bpf_loop(*used, sight_one, NULL, 0);
	return 0;
}

/* First pass over a new pod: notes each end, under both of the roles that it may have had. */
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

/* Second pass, once all new pods have had their first: an end that was noted, and whose peer was,
 * is watched from now on. Output: the netns cookie (u64) of each peer that is not watched yet. */
SEC("iter/tcp")
int meshaccel_adopt(struct bpf_iter__tcp *ctx)
{
	struct tcp_sock *tp = established(ctx);
	const struct seen *peer;
	struct end fresh = {}, *end;
	struct isn_pair key;
	int state_flag = BPF_SOCK_OPS_STATE_CB_FLAG;
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
	/* Whole before anybody sees it: a receive that has just let go of the lock counts itself
	 * now. Only its place in the table follows. */
	fresh.base = tp->copied_seq;
	fresh.turn_seq = tp->write_seq;
	fresh.bytes_before = tp->bytes_received;
	/* Its first receive may have begun before the record. */
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
	/* Since Linux 6.11; before, a blocking reader that half-closes is on its own
	 * (half_closed()). */
	bpf_setsockopt(tp, SOL_TCP, TCP_BPF_SOCK_OPS_CB_FLAGS, &state_flag, sizeof(state_flag));
	if (waits_in)
		bpf_seq_write(ctx->meta->seq, &waits_in, sizeof(waits_in));
	return 0;
}

/* Since Linux 6.5. */
extern int bpf_sock_destroy(struct sock_common *sk) __ksym __weak;

/* Since Linux 6.11. A socket that has the bit already has it for another agent's sake: the calls
 * come, and the bit is not ours to take down. */
static __always_inline void ask_packet_calls(struct tcp_sock *tp, struct end *end)
{
	int before = tp->bpf_sock_ops_cb_flags, flags = before | WRITE_HDR_OPT_CB_FLAG;

	if (end->packet_flags)
		return;
	if (flags != before &&
	    bpf_setsockopt(tp, SOL_TCP, TCP_BPF_SOCK_OPS_CB_FLAGS, &flags, sizeof(flags)))
		return;
	end->packet_flags = flags == before ? WRITE_HDR_SHARED : flags;
}

/* Gives the readers that the scan named a fresh edge, and new members their settings: one that
 * never probes its peer a keepalive, because an accelerated connection sends no packets, and its
 * conntrack entries would expire; and a call for each packet where it may have to fend for itself
 * (watch.bpf.c). */
SEC("iter/tcp")
int meshaccel_kick(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	const struct config *config = config_get();
	struct counters *counters;
	struct tcp_sock *tp;
	struct conn *conn;
	struct end *end;
	int value = 1, lowat;
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
		return 0;
	}
	if (__sync_fetch_and_and(&conn->kick, ~bit) & bit) {
		/* tcp_set_rcvlowat() wakes the reader when there is something to read. The value is
		 * the application's. */
		lowat = tp->inet_conn.icsk_inet.sk.sk_rcvlowat ?: 1;
		bpf_setsockopt(tp, SOL_SOCKET, SO_RCVLOWAT, &lowat, sizeof(lowat));
		counters = counters_get();
		if (counters)
			counters->kicks++;
	}
	if (!(__sync_fetch_and_and(&conn->settings, ~bit) & bit))
		return 0;
	if (!config->stop_when_stale)
		ask_packet_calls(tp, end);
	if (config->keepalive_s) {
		if (!(tp->inet_conn.icsk_inet.sk.__sk_common.skc_flags & (1UL << SOCK_KEEPOPEN))) {
			int idle = config->keepalive_s;

			bpf_setsockopt(tp, SOL_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
			bpf_setsockopt(tp, SOL_SOCKET, SO_KEEPALIVE, &value, sizeof(value));
		}
	}
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
