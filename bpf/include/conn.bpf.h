/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The life of a connection. All transitions of its state are defined here.
 *
 *	        allocated        both wanted         both are members
 *	 FREE ------------> WATCHED --------> JOINING --------> JOINED
 *	  ^                  |  ^ ^             |                 | \
 *	  |   both closed    |  | | not both    |          stop() |  \ seal()
 *	  +------------------+  | +-------------+                 v   v
 *	                        |                        STOPPING -> SEALED
 *	                        |   all that was redirected is read     |
 *	                        +---------------------------------------+
 *
 * Scans never overlap. Any program may make two transitions: stop() and seal(). Only the scan makes
 * the others. Each transition is one compare-and-swap of conn->life, which holds the state and the
 * reason. So no transition is made halfway, and no reason belongs to another transition.
 *
 * Every state has a way out that needs no person:
 *
 *	WATCHED		its ends close, or join again
 *	JOINING		both ends enter in the same or the next scan, or both are taken out again
 *	JOINED		leaves when a reader misbehaves
 *	STOPPING	sealed when both directions are drained, at the latest after STOPPING_NS
 *	SEALED		each end leaves when its reader has read, or has closed
 */
#ifndef MESHACCEL_CONN_BPF_H
#define MESHACCEL_CONN_BPF_H

#include "maps.bpf.h"

#define life_of(state, reason) ((__u32)(state) | (__u32)(reason) << 8)

static __always_inline __u32 state_in(__u32 life)
{
	return life & 0xff;
}

static __always_inline __u32 reason_in(__u32 life)
{
	return life >> 8 & 0xff;
}

static __always_inline __u32 state_of(const struct conn *conn)
{
	return state_in(READ_ONCE(conn->life));
}

/* Why the connection is leaving, or has left. */
static __always_inline __u32 reason_of(const struct conn *conn)
{
	return reason_in(READ_ONCE(conn->life));
}

static __always_inline bool is_member_state(__u32 state)
{
	return state >= CONN_JOINING;
}

/* Whether the end's reader takes no TCP bytes on a member: see tcp_drained(). */
static __always_inline bool is_hesitant(const struct conn_end *end)
{
	return end->hesitant >= HESITANT_JOINS;
}

/* Moves on from a life that the caller has read. Returns false if another program was faster. A
 * full barrier. */
static __always_inline bool move(struct conn *conn, __u32 from, enum conn_state to, __u32 reason)
{
	return __sync_val_compare_and_swap(&conn->life, from, life_of(to, reason)) == from;
}

/* Requests a look at the conn by the next scan. The exchange orders the caller's writes before the
 * scan's look: a scan that clears the flag reads them afterwards. */
static __always_inline void attend(struct conn *conn, __u32 slot)
{
	if (__sync_lock_test_and_set(&conn->attention, 1))
		return;
	/* This program may interrupt one that holds the queue's lock. The sweep repeats the
	 * request. */
	if (bpf_map_push_elem(&meshaccel_attention, &slot, BPF_ANY))
		__sync_lock_test_and_set(&conn->attention, 0);
}

/* Returns a joined connection to TCP, each direction at its next drained point. */
static __always_inline void stop(struct conn *conn, __u32 slot, __u32 reason)
{
	__u32 life = READ_ONCE(conn->life);

	if (state_in(life) == CONN_JOINED && move(conn, life, CONN_STOPPING, reason))
		attend(conn, slot);
}

/* Ends redirection at once. Returns whether the connection is sealed now. */
static __always_inline bool seal(struct conn *conn, __u32 slot, __u32 reason)
{
	__u32 life = READ_ONCE(conn->life);

	if (state_in(life) == CONN_SEALED)
		return true;
	if ((state_in(life) != CONN_JOINED && state_in(life) != CONN_STOPPING) ||
	    !move(conn, life, CONN_SEALED, reason))
		return state_of(conn) == CONN_SEALED;
	attend(conn, slot);
	return true;
}

#endif
