/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Finds the two ends of a connection by their claims on its identity, and gives the connection a
 * slot. Only the scan makes and deletes claims and slots. A close only sets a mark (closed.bpf.h),
 * so a close does not race with the scan.
 */
#ifndef MESHACCEL_SCAN_PAIR_H
#define MESHACCEL_SCAN_PAIR_H

#include "conn.bpf.h"
#include "ends.bpf.h"
#include "identity.bpf.h"
#include "memory.bpf.h"
#include "peek.bpf.h"

/* Takes the end off the list of wanted ends until it has taken more turns. Their number doubles
 * each time, up to a limit. */
static __always_inline void postpone(struct end *end, enum reason why)
{
	end->why = why;
	end->turns = 0;
	end->patient = 0;
	if (end->turns_needed < TURNS_MAX)
		end->turns_needed *= 2;
	unwant(end);
}

static __always_inline void bar(struct end *end, enum reason reason)
{
	end->barred = reason;
	unwant(end);
}

static __always_inline void fill_end(struct conn *conn, const struct claim *claim, __u32 role)
{
	struct conn_end *end = &conn->ends[role & 1];

	end->sk = claim->sk[role & 1];
	end->end = claim->end[role & 1];
	end->netns_cookie = claim->netns_cookie[role & 1];
	end->cookie = claim->cookie[role & 1];
}

static __always_inline bool claimant_closed(const struct claim *claim, __u32 role)
{
	return has_closed(claim->sk[role & 1], claim->cookie[role & 1]);
}

/* Both ends are known: gives the connection a slot. */
static __always_inline enum reason allocate(struct claim *claim, const struct isn_pair *identity,
					    struct config *config)
{
	struct conn *conn;
	__u32 slot, join;

	if (claim->sk[ROLE_CLIENT] == claim->sk[ROLE_SERVER])
		return REASON_SELF_CONNECT;
	if (claimant_closed(claim, ROLE_CLIENT) || claimant_closed(claim, ROLE_SERVER))
		return REASON_PEER_GONE;
	if (!may_take_slot(claim->netns_cookie[ROLE_CLIENT]))
		return REASON_TABLE_FULL;
	if (bpf_map_pop_elem(&meshaccel_free, &slot)) {
		if (config->slots_used >= MAX_CONNS)
			return REASON_TABLE_FULL;
		slot = config->slots_used++;
	}
	conn = bpf_map_lookup_elem(&meshaccel_conns, &slot);
	if (!conn || !take_slot(claim->netns_cookie[ROLE_CLIENT])) {
		bpf_map_push_elem(&meshaccel_free, &slot, BPF_ANY);
		return REASON_TABLE_FULL;
	}
	/* Clears almost all fields. The slot may still be in the attention queue, so its flag
	 * stays. The number of the last join stays as well (closed.bpf.h). */
	join = conn->join;
	/* A verdict of the connection before may have taken a chunk after the slot was free. */
	shrink(conn, &conn->directions[ROLE_CLIENT], 0);
	shrink(conn, &conn->directions[ROLE_SERVER], 0);
	conn->identity = *identity;
	__builtin_memset(&conn->since_ns, 0, sizeof(*conn) - offsetof(struct conn, since_ns));
	conn->join = join;
	fill_end(conn, claim, ROLE_CLIENT);
	fill_end(conn, claim, ROLE_SERVER);
	conn->since_ns = bpf_ktime_get_ns();
	conn->since_state = CONN_WATCHED;
	__sync_lock_test_and_set(&conn->life, life_of(CONN_WATCHED, REASON_NONE));
	claim->conn = slot + 1;
	return REASON_NONE;
}

/* Both ends have closed and left. Frees the slot and the claim. */
static __always_inline void release(struct conn *conn, __u32 slot)
{
	struct isn_pair identity = conn->identity;
	const struct claim *claim = bpf_map_lookup_elem(&meshaccel_identities, &identity);

	if (claim && claim->conn == slot + 1)
		bpf_map_delete_elem(&meshaccel_identities, &identity);
	shrink(conn, &conn->directions[ROLE_CLIENT], 0);
	shrink(conn, &conn->directions[ROLE_SERVER], 0);
	return_slot(conn->ends[ROLE_CLIENT].netns_cookie);
	__sync_lock_test_and_set(&conn->life, life_of(CONN_FREE, REASON_NONE));
	bpf_map_push_elem(&meshaccel_free, &slot, BPF_ANY);
}

/* Makes the claim of a first end. */
static __always_inline struct claim *make_claim(const struct isn_pair *identity)
{
	struct due_claim due = {.identity = *identity, .since_ns = bpf_ktime_get_ns()};
	struct claim fresh = {.since_ns = due.since_ns};

	if (bpf_map_update_elem(&meshaccel_identities, identity, &fresh, BPF_NOEXIST))
		return NULL;
	if (bpf_map_push_elem(&meshaccel_due, &due, 0)) {
		bpf_map_delete_elem(&meshaccel_identities, identity);
		return NULL;
	}
	return bpf_map_lookup_elem(&meshaccel_identities, identity);
}

/* Puts the end into the claim. Returns false if another open socket has this place. */
static __always_inline bool take_place(struct claim *claim, __u64 sk, const struct end *end,
				       __u32 role)
{
	if (claim->sk[role] && claim->cookie[role] != end->cookie && !claimant_closed(claim, role))
		return false;
	claim->sk[role] = sk;
	claim->end[role] = (__u64)end;
	claim->netns_cookie[role] = end->netns_cookie;
	claim->cookie[role] = end->cookie;
	return true;
}

/* Claims the end's identity and looks for its peer. Returns whether the end is paired. */
static __always_inline bool pair(__u64 sk, struct end *end, struct config *config)
{
	__u32 role = end->role & 1;
	struct isn_pair identity = identity_of(&end->key, role);
	struct claim *claim = bpf_map_lookup_elem(&meshaccel_identities, &identity);
	enum reason reason;
	__u64 waited_ns;

	if (!claim && may_take_slot(end->netns_cookie))
		claim = make_claim(&identity);
	if (!claim) {
		postpone(end, REASON_TABLE_FULL);
		return false;
	}
	/* A pairing never changes. */
	if (claim->conn ? claim->cookie[role] != end->cookie : !take_place(claim, sk, end, role)) {
		bar(end, REASON_SECOND_CLAIM);
		return false;
	}
	if (!claim->sk[!role]) {
		waited_ns = bpf_ktime_get_ns() - claim->since_ns;
		end->patient = waited_ns > PATIENT_NS;
		if (waited_ns > PAIRING_NS) {
			bpf_map_delete_elem(&meshaccel_identities, &identity);
			postpone(end, REASON_REMOTE_PEER);
		}
		return false;
	}
	if (!claim->conn) {
		reason = allocate(claim, &identity, config);
		if (reason) {
			bpf_map_delete_elem(&meshaccel_identities, &identity);
			if (reason == REASON_SELF_CONNECT)
				bar(end, reason);
			else
				postpone(end, reason);
			return false;
		}
	}
	end->conn = claim->conn;
	return true;
}

#endif
