/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* How members leave.
 *
 * A leave sets SEALED first and looks at the queues afterwards. The verdict announces bytes first
 * and reads the state afterwards. So nothing new is redirected once the connection is sealed. An
 * end may then leave the sockhash as soon as its reader has read all that was redirected to it. It
 * need not wait for the other end. drained.bpf.h has the proof.
 */
#ifndef MESHACCEL_SCAN_LEAVE_H
#define MESHACCEL_SCAN_LEAVE_H

#include "drained.bpf.h"
#include "memory.bpf.h"
#include "scan/pair.bpf.h"

/* Bytes that wait in the socket's TCP queue. */
static __always_inline bool tcp_unread(const struct conn_end *reader)
{
	return !is_closed(reader) && peek(struct tcp_sock, reader->sk, rcv_nxt) !=
					 peek(struct tcp_sock, reader->sk, copied_seq);
}

/* Asks the agent to walk over the pod's sockets and to wake this end's reader and its stranded
 * writer. The next scan hands this request to the agent. */
static __always_inline void kick(struct conn *conn, __u32 slot, int role)
{
	__sync_fetch_and_or(&conn->kick, 1U << role);
	attend(conn, slot);
}

/* The kernel reuses addresses, so the entry may belong to another connection by now. */
static __always_inline void forget_socket(const struct conn_end *end, __u32 slot, __u32 role)
{
	__u64 address = end->sk;
	const struct member *member = bpf_map_lookup_elem(&meshaccel_sockets, &address);

	if (member && member->slot == slot && member->role == role)
		bpf_map_delete_elem(&meshaccel_sockets, &address);
}

/* Takes one end out of the sockhash. The caller knows that no redirected byte is unread there, or
 * that the unread bytes may be lost.
 */
static __always_inline void take_out(struct conn *conn, __u32 slot, int role)
{
	struct conn_end *end = &conn->ends[role & 1];
	struct isn_pair key = identity_of(&conn->identity, role);

	bpf_map_delete_elem(&meshaccel_members, &key);
	forget_socket(end, slot, role);
	end->member = 0;
	if (is_closed(end))
		return;
	/* An edge-triggered reader may take its last redirected bytes for the last bytes available.
	 * And the kick restores the keepalive: our programs may be gone before the next packet. */
	if (tcp_unread(end) || writer_stranded(end->sk) || peek_end(end->end, probe_s))
		kick(conn, slot, role);
}

/* Sets how long the connection may not join again. */
static __always_inline void back_off(struct conn *conn, __u32 reason)
{
	if (reason == REASON_POD_DISABLED || reason == REASON_EXCLUDED ||
	    reason == REASON_UNACCOUNTED)
		return;
	if (reason == REASON_CLAIMED_ELSEWHERE) {
		conn->not_before_ns = conn->since_ns + CLAIMED_NS;
		return;
	}
	conn->not_before_ns = conn->since_ns + (BACKOFF_NS << conn->backoff);
	if (conn->backoff < BACKOFF_MAX)
		conn->backoff++;
}

/* Both ends have left the sockhash. The connection is on TCP from here on. */
static __always_inline void left(struct conn *conn, __u32 reason)
{
	struct counters *counters = counters_get();
	int role;

	for (role = 0; role < ROLES; role++) {
		conn->ends[role].wanted = 0;
		conn->directions[role].path = PATH_TCP;
		/* conn->excluded shows an exclusion for as long as it holds. */
		conn->directions[role].reason = reason == REASON_EXCLUDED ? REASON_NONE : reason;
		shrink(conn, &conn->directions[role], 0);
	}
	conn->since_ns = bpf_ktime_get_ns();
	conn->since_state = CONN_WATCHED;
	back_off(conn, reason);
	__sync_lock_test_and_set(&conn->life, life_of(CONN_WATCHED, reason));
	if (counters)
		counters->leaves++;
	count(reason);
}

/* Undoes a join before the verdict may redirect. So nothing was redirected, and a member may leave
 * at once. It must: a lone member would hide received bytes from a reader that asks FIONREAD. */
static __always_inline void undo_join(struct conn *conn, __u32 slot, enum reason reason)
{
	int role;

	for (role = 0; role < ROLES; role++)
		if (conn->ends[role].member)
			take_out(conn, slot, role);
	left(conn, reason);
}

static __always_inline bool both_enabled(const struct conn *conn, const struct config *config)
{
	return config->redirect && pod_enabled(conn->ends[ROLE_CLIENT].netns_cookie) &&
	       pod_enabled(conn->ends[ROLE_SERVER].netns_cookie);
}

#endif
