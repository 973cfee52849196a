/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Handles the close of a watched socket. Two programs report a close, because either one may be
 * missed. One is a tracepoint, which the kernel skips when it interrupts another run of it. The
 * other is a sockops callback, and another agent may have cleared its flag. The first report does
 * the work. If both are missed, the sweep finds that the socket is gone (stuck.bpf.h). A report
 * only marks the end. The scan frees the slot, so no slot is freed while a scan works on it.
 *
 * A program may be held up in here: since Linux 7.0 it can be preempted. Meanwhile the sweep may
 * find that the socket is gone, and the slot may go to another connection. So the mark names the
 * socket (is_closed()). The join numbers of a slot also continue from one connection to the next.
 * So a late write does not affect the later connection. model/slots.pml checks this.
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
