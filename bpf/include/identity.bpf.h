/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Finds which two sockets are the ends of one connection.
 *
 * Addresses are no key: REDIRECT makes the ends disagree on them, and loopback four-tuples repeat
 * in every pod. The initial sequence numbers are one. NAT leaves them alone. They are 64 bits that
 * kernels chose, so nobody guesses them and they do not repeat. At the handshake they are snd_nxt
 * and rcv_nxt. Later they follow from the state of the socket at any moment. The kernel counts what
 * was acknowledged and received since (RFC 4898 tcpEStatsAppHCThruOctets*):
 *
 *	own first byte  = snd_una - bytes_acked   (the active end has counted its SYN: one more)
 *	peer first byte = rcv_nxt - bytes_received
 */
#ifndef MESHACCEL_IDENTITY_BPF_H
#define MESHACCEL_IDENTITY_BPF_H

#include "ends.bpf.h"
#include <bpf/bpf_core_read.h>

/* The key of an end that has this role. */
static __always_inline struct isn_pair derive_key(const struct tcp_sock *tp, enum role role)
{
	struct isn_pair key = {
	    .own = tp->snd_una - (__u32)tp->bytes_acked + (role == ROLE_CLIENT),
	    .peer = tp->rcv_nxt - (__u32)tp->bytes_received,
	};

	return key;
}

/* The identity of an end's connection: the client's key. */
static __always_inline struct isn_pair identity_of(const struct isn_pair *key, enum role role)
{
	struct isn_pair identity = *key;

	if (role == ROLE_SERVER) {
		identity.own = key->peer;
		identity.peer = key->own;
	}
	return identity;
}

/* The MPTCP layer itself reads and writes its subflows. */
static __always_inline bool is_mptcp(struct tcp_sock *tp)
{
	return tp && bpf_core_field_exists(tp->is_mptcp) &&
	       BPF_CORE_READ_BITFIELD_PROBED(tp, is_mptcp);
}

/* Begins to watch an end. The caller adds it to the table afterwards. */
static __always_inline void end_fill(struct end *end, struct isn_pair key, enum role role,
				     __u64 netns_cookie, __u64 cookie, struct tcp_sock *tp)
{
	struct counters *counters = counters_get();

	end->key = key;
	end->role = role;
	end->netns_cookie = netns_cookie;
	end->cookie = cookie;
	end->born_ns = bpf_ktime_get_ns();
	end->turns_needed = TURNS;
	end->proof_needed = PROOF_RECEIVES;
	end->why = REASON_SHORT;
	end->barred = is_mptcp(tp) ? REASON_MPTCP : REASON_NONE;
	if (counters)
		counters->watched++;
}

#endif
