/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Each scan takes the connections that requested attention one step further. It also names the
 * walks that the agent has to make for them.
 */
#ifndef MESHACCEL_SCAN_TEND_H
#define MESHACCEL_SCAN_TEND_H

#include "quarantine.bpf.h"
#include "scan/leave.bpf.h"

/* A flag in the netns cookies that a scan writes. The kernel counts cookies up from 1, so this bit
 * is free. It says that no reader waits there: the agent may give the new members their settings
 * later.
 */
#define SETTINGS_ONLY (1ULL << 63)

/* One run of the scan. */
struct pass {
	struct seq_file *seq;
	const struct config *config;
	/* The next scan should come soon. */
	__u32 busy;
	/* The splice watch is needed. */
	__u32 watch;
};

/* Whether the end has read all that was redirected to it, or never will. The program of a closed
 * socket may still read bytes that the socket holds. The kernel takes a closed socket out of the
 * sockhash by itself. After that our removal does not affect these bytes. The psock lives on while
 * a thread is inside a receive, even if that thread does not get the CPU for a long time. */
static __always_inline bool may_leave(struct conn *conn, int role)
{
	const struct conn_end *end = &conn->ends[role & 1];
	__u64 psock;

	if (!is_closed(end))
		return redirect_drained(conn, !role);
	psock = psock_of(end);
	return !psock || queue_empty(psock) || !count_links(psock);
}

static __always_inline bool reader_quarantined(const struct conn_end *reader)
{
	return evidence_against(reader->netns_cookie, peek_end(reader->end, exe_inode),
				peek_end(reader->end, exe_device));
}

/* Why a joined connection has to leave, even if all its bytes are being read. */
static __always_inline enum reason must_leave(const struct conn *conn, const struct config *config)
{
	int role;

	if (!both_enabled(conn, config))
		return REASON_POD_DISABLED;
	if (conn->excluded)
		return REASON_EXCLUDED;
	for (role = 0; role < ROLES; role++) {
		const struct conn_end *reader = &conn->ends[role];

		if (reader->spliced)
			return REASON_SPLICE;
		if (reader->asked)
			return REASON_ASKS_FIONREAD;
		if (!is_closed(reader) && reader_quarantined(reader))
			return REASON_QUARANTINED;
	}
	return REASON_NONE;
}

/* Handles TCP bytes that lie unread on a member. Its reader may have asked FIONREAD, which reported
 * 0. Such a reader advances only with each kick, so progress between two kicks does not reset the
 * count. Returns whether such bytes exist. */
static __always_inline bool wake_reader(struct conn *conn, __u32 slot, int role)
{
	struct conn_end *reader = &conn->ends[role & 1];
	__u32 copied_seq;

	if (!reader->member || !tcp_unread(reader)) {
		reader->stuck = 0;
		return false;
	}
	copied_seq = peek(struct tcp_sock, reader->sk, copied_seq);
	if (copied_seq == reader->seen_copied_seq) {
		reader->stuck++;
		kick(conn, slot, role);
	}
	reader->seen_copied_seq = copied_seq;
	return true;
}

/* Whether the reader has taken bytes by TCP since the join. */
static __always_inline bool took_tcp(const struct conn_end *reader,
				     const struct direction *direction)
{
	__u32 copied_seq = peek(struct tcp_sock, reader->sk, copied_seq);

	return (__s32)(copied_seq - direction->trap_seq) > 0;
}

/* Whether FIONREAD may hide a member's TCP bytes. That is why the policy is `strict`. A policy that
 * was set by hand says nothing about the kernel. */
static __always_inline bool fionread_hides_tcp(const struct config *config)
{
	return config->fionread_hides & FIONREAD_HIDES_TCP ||
	       (!config->stop_when_stale && !config->proxies_only);
}

/* Checks whether the TCP bytes of a joined connection are being read. Returns whether to look
 * again. */
static __always_inline bool tend_joined(struct pass *pass, struct conn *conn, __u32 slot)
{
	enum reason reason = must_leave(conn, pass->config);
	bool again = false;
	int role;

	if (reason) {
		stop(conn, slot, reason);
		return true;
	}
	/* One end has closed, so the connection is over. Its other end is better off on TCP. */
	if (is_closed(&conn->ends[ROLE_CLIENT]) || is_closed(&conn->ends[ROLE_SERVER])) {
		seal(conn, slot, REASON_NONE);
		return true;
	}
	for (role = 0; role < ROLES; role++) {
		struct conn_end *reader = &conn->ends[!role];
		const struct direction *direction = &conn->directions[role];
		__u8 path = READ_ONCE(direction->path);

		if (path == PATH_MIXED) {
			/* R3: once the redirected part is read, the rest belongs to plain TCP. */
			again = true;
			if (queue_empty(reader->psock))
				stop(conn, slot, direction->reason);
			continue;
		}
		/* The verdict requests attention before its bytes are in the queue, so look twice.
		 */
		if (reader->seen_tcp_messages != (__u32)direction->tcp_messages) {
			reader->seen_tcp_messages = direction->tcp_messages;
			again = true;
		}
		if (path == PATH_REDIRECT) {
			if (READ_ONCE(direction->queued) > pass->config->cap_bytes)
				pass->watch = 1;
		} else if (direction->reason == REASON_TCP_MEMORY ||
			   direction->reason == REASON_MEMORY_BUDGET) {
			/* While memory is short, every message would request attention. */
			stop(conn, slot, direction->reason);
			return true;
		}
		/* Also on a redirected path: the kernel may send by TCP without asking the verdict.
		 */
		if (!wake_reader(conn, slot, !role)) {
			if (!is_hesitant(reader) && took_tcp(reader, direction))
				reader->hesitant = 0;
			continue;
		}
		again = true;
		if (reader->stuck < STUCK_SCANS)
			continue;
		if (fionread_hides_tcp(pass->config) && !is_hesitant(reader) &&
		    !took_tcp(reader, direction))
			reader->hesitant++;
		stop(conn, slot, REASON_TCP_UNREAD);
	}
	return again;
}

/* Whether a direction seems to be back on TCP. Sealing makes it certain. */
static __always_inline bool off_redirect(const struct conn *conn, int sender)
{
	const struct conn_end *reader = &conn->ends[!sender];

	return READ_ONCE(conn->directions[sender].path) != PATH_REDIRECT || is_closed(reader) ||
	       queue_empty(reader->psock);
}

/* After the seal new bytes come by TCP. While redirected bytes are unread, a splice would take the
 * new bytes first. So the splice watch is attached before the seal, unless the agent cannot attach
 * it. */
static __always_inline void tend_stopping(struct pass *pass, struct conn *conn, __u32 slot)
{
	__u64 passed_ns = bpf_ktime_get_ns() - conn->since_ns;

	if (!(off_redirect(conn, ROLE_CLIENT) && off_redirect(conn, ROLE_SERVER))) {
		if (passed_ns < STOPPING_NS)
			return;
		pass->watch = 1;
		if (!pass->config->splice_watched && passed_ns < 4 * STOPPING_NS)
			return;
	}
	seal(conn, slot, reason_of(conn));
}

/* Handles a sealed connection. Returns whether to look again soon. */
static __always_inline bool tend_sealed(struct pass *pass, struct conn *conn, __u32 slot)
{
	bool members = false, again = false;
	int role;

	for (role = 0; role < ROLES; role++) {
		if (!conn->ends[role].member)
			continue;
		if (may_leave(conn, role)) {
			take_out(conn, slot, role);
			continue;
		}
		members = true;
		if (is_closed(&conn->ends[role]))
			continue;
		again = true;
		pass->watch = 1;
		wake_reader(conn, slot, role);
	}
	if (members)
		return again;
	left(conn, reason_of(conn));
	return true;
}

/* Takes the connection one step further. Returns whether it needs more. */
static __always_inline bool step(struct pass *pass, struct conn *conn, __u32 slot)
{
	__u32 state = state_of(conn);

	if (state == CONN_FREE)
		return false;
	if (conn->doomed && !both_closed(conn)) {
		/* The kick resets both ends. Their close frees the slot. */
		if (conn->doomed == CANNOT_RESET)
			return false;
		__sync_fetch_and_or(&conn->kick, 3);
		return true;
	}
	if (state != conn->since_state) {
		conn->since_state = state;
		conn->since_ns = bpf_ktime_get_ns();
	}
	switch (state) {
	case CONN_WATCHED:
		if (both_closed(conn))
			release(conn, slot);
		return false;
	case CONN_JOINING:
		if (conn->excluded)
			undo_join(conn, slot, REASON_EXCLUDED);
		else if (!both_enabled(conn, pass->config) || is_closed(&conn->ends[ROLE_CLIENT]) ||
			 is_closed(&conn->ends[ROLE_SERVER]) ||
			 bpf_ktime_get_ns() - conn->since_ns > JOINING_NS)
			undo_join(conn, slot, REASON_JOIN_TIMEOUT);
		return true;
	case CONN_JOINED:
		return tend_joined(pass, conn, slot);
	case CONN_STOPPING:
		wake_reader(conn, slot, ROLE_CLIENT);
		wake_reader(conn, slot, ROLE_SERVER);
		tend_stopping(pass, conn, slot);
		return true;
	case CONN_SEALED:
		return tend_sealed(pass, conn, slot);
	default:
		return false;
	}
}

/* Names the namespaces that the agent is to walk over for this connection. It repeats them until
 * the walk is done: a walk may fail, and an agent may die. Returns whether readers are still to be
 * woken. */
static __always_inline bool tell_walks(struct pass *pass, struct conn *conn)
{
	__u32 kicks = READ_ONCE(conn->kick), settings = READ_ONCE(conn->settings);
	int role;

	for (role = 0; role < ROLES; role++) {
		__u32 bit = 1U << role;
		__u64 cookie = conn->ends[role].netns_cookie;

		if (is_closed(&conn->ends[role])) {
			__sync_fetch_and_and(&conn->kick, ~bit);
			kicks &= ~bit;
			continue;
		}
		/* The settings request a call for each packet, which the socket needs if the agent
		 * dies: see sockops/alone.bpf.h. */
		if (kicks & bit ||
		    (settings & bit && !peek_end(conn->ends[role].end, packet_flags))) {
			if (!(kicks & bit))
				cookie |= SETTINGS_ONLY;
			bpf_seq_write(pass->seq, &cookie, sizeof(cookie));
		}
	}
	return kicks;
}

/* Handles a slot that requested attention. Returns whether it needs more. */
static __always_inline bool tend(struct pass *pass, struct conn *conn, __u32 slot)
{
	bool again = step(pass, conn, slot);

	if (state_of(conn) == CONN_FREE)
		return false;
	return tell_walks(pass, conn) || again;
}

#endif
