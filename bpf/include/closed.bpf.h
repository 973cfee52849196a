/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* A watched socket has closed. Two programs tell, because either one may be missed: a tracepoint,
 * which the kernel skips when it interrupts another run of it, and a sockops callback, whose flag
 * another agent may have taken from the socket. The first one to come does the work. If neither
 * comes, the sweep finds the socket gone (stuck.bpf.h). All this does is tell: the scan frees the
 * slot, so a slot is never freed under a scan's eyes.
 *
 * A program may be held up in here (since Linux 7.0 it can be preempted), for so long that the
 * sweep finds the socket gone and the slot goes to another connection. So what it writes names the
 * socket (is_closed()), and the numbers of a slot's joins go on from one connection to the next: a
 * late write says nothing about the later one. model/slots.pml has this.
 */
#ifndef MESHACCEL_CLOSED_BPF_H
#define MESHACCEL_CLOSED_BPF_H

#include "conn.bpf.h"
#include "ends.bpf.h"

static __always_inline void end_closed(struct end *end, const struct tcp_sock *tp)
{
	struct counters *counters;
	struct conn *conn;

	if (__sync_lock_test_and_set(&end->gone, 1))
		return;
	counters = counters_get();
	if (counters) {
		counters->closed++;
		if (tp)
			counters->tcp_bytes += tcp_bytes_of(tp, end);
	}
	unlist(end->index, end->cookie);
	conn = conn_of(end);
	if (!end->joined)
		count(end->barred ?: conn && conn->excluded ? REASON_EXCLUDED : end->why);
	if (conn) {
		WRITE_ONCE(conn->ends[end->role & 1].closed, end->cookie);
		attend(conn, end->conn - 1);
	}
}

#endif
