/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The rules R1 to R7: whether a send goes straight to the peer's queue or takes TCP.
 *
 * Two facts about tcp_bpf_recvmsg carry them. It drains the redirected queue (psock->ingress_msg)
 * before the TCP queue, and a reader that is already blocked in the plain tcp_recvmsg sees the TCP
 * queue only.
 *
 * The verdict runs under the lock of the sending socket, so a direction has one writer. The lock is
 * dropped between the verdict and the peer's queue, so a redirect may be under way while a scan
 * looks. Hence the order in redirect(): announce the bytes, then look whether the connection is
 * sealed. The scan does the reverse: it seals, then reads what is announced. One of the two sees
 * the other; once sealed, nothing is under way that is not announced.
 *
 * The peer is read through the kernel address that the scan noted. It may be stale: the peer can
 * close at any time. The redirect comes last and looks the peer up by its key, so a stale read can
 * only cause a miss, which passes to TCP.
 */
#ifndef MESHACCEL_VERDICT_BPF_H
#define MESHACCEL_VERDICT_BPF_H

#include "drained.bpf.h"

/* Bytes redirected from one end to the other and not yet read. */
static __always_inline __u32 unread_bytes(const struct direction *direction,
					  const struct conn_end *reader)
{
	struct sk_psock *psock = (void *)reader->psock;

	if (bpf_core_field_exists(psock->msg_tot_len))
		return peek(struct sk_psock, psock, msg_tot_len);
	return direction->sent -
	       (peek_end(reader->end, received) -
		(peek(struct tcp_sock, reader->sk, copied_seq) - peek_end(reader->end, base)));
}

/* R3. The list changes meanwhile; only the estimate can suffer. */
static __noinline __u32 count_messages(__u64 psock)
{
	struct list_head *head = &((struct sk_psock *)psock)->ingress_msg;
	struct list_head *node = peek(struct sk_psock, psock, ingress_msg.next);
	__u32 messages;

	for (messages = 0; messages < CAP_MESSAGES / 2; messages++) {
		if (!node || node == head)
			return messages;
		node = peek(struct list_head, node, next);
	}
	return CAP_MESSAGES;
}

/* R3, over all flows: redirected bytes are charged to TCP's memory, so its own total bounds them.
 */
static __always_inline bool tcp_memory_low(const struct tcp_sock *tp, const struct config *config)
{
	const struct proto *proto = tp->inet_conn.icsk_inet.sk.__sk_common.skc_prot;

	return proto->memory_allocated->counter < config->tcp_memory_pages;
}

/* R3: may this many bytes more wait in the peer's queue? The queue belongs to the other processor,
 * so it is looked at only when all that was redirected since the last look may not fit. */
static __always_inline enum reason bounded(const struct tcp_sock *tp, struct direction *direction,
					   const struct config *config,
					   const struct conn_end *reader, __u32 size)
{
	__u64 cap = config->cap_bytes;

	if ((__u64)direction->queued_bytes + size > cap ||
	    direction->queued_messages >= CAP_MESSAGES) {
		__u32 unread = unread_bytes(direction, reader);

		direction->queued_bytes = unread;
		if (!unread)
			direction->queued_messages = 0;
		else if (direction->queued_messages >= CAP_MESSAGES)
			direction->queued_messages = count_messages(reader->psock);
		if (unread && (__u64)unread + size > cap &&
		    /* Nobody would lead a flow over the cap back to TCP when the agent is away. */
		    (!no_scan_for(config, ABSENT_NS) ||
		     (__u64)unread + size > cap * STALE_CAP_FACTOR))
			return REASON_CAP_BYTES;
		if (direction->queued_messages >= CAP_MESSAGES)
			return REASON_CAP_MESSAGES;
	}
	if (!tcp_memory_low(tp, config))
		return REASON_TCP_MEMORY;
	return REASON_NONE;
}

/* R4: a run of small sends without an answer. TCP coalesces them, the redirect cannot. */
static __always_inline bool is_stream(const struct end *end, struct direction *direction,
				      __u32 size)
{
	if (direction->run_received != end->received) {
		direction->run_received = end->received;
		direction->run_messages = 0;
		direction->run_bytes = 0;
	}
	direction->run_messages++;
	if (direction->run_bytes < 1U << 31)
		direction->run_bytes += size;
	return direction->run_messages >= STREAM_MESSAGES &&
	       direction->run_bytes / STREAM_MESSAGE_BYTES < direction->run_messages;
}

/* R2, R5, R7: what makes a direction return to TCP, at its next drained point. */
static __always_inline enum reason must_stop(const struct conn *conn, const struct config *config,
					     const struct conn_end *reader)
{
	if (conn->state != CONN_JOINED)
		return REASON_LEAVING;
	if (!config->redirect)
		return REASON_DRAINED_OFF;
	if (config->stop_when_stale && no_scan_for(config, HEARTBEAT_NS))
		return REASON_AGENT_STALE;
	if (peek(struct sock, reader->sk, sk_rcvlowat) > 1)
		return REASON_RCVLOWAT;
	if (reader->spliced)
		return REASON_SPLICE;
	if (config->proxies_only && !reader->proxy)
		return REASON_UNKNOWN_READER;
	return REASON_NONE;
}

/* R1, from TCP to redirect: the reader has consumed all that was sent by TCP; and R2: if it may
 * have been blocked in tcp_recvmsg when it became a member, it has come back since. */
static __always_inline enum reason tcp_drained(const struct tcp_sock *tp,
					       const struct direction *direction,
					       const struct conn_end *reader)
{
	__u32 copied_seq = peek(struct tcp_sock, reader->sk, copied_seq);

	if (copied_seq != tp->write_seq)
		return REASON_UNDRAINED;
	if (reader->blocking && (__s32)(copied_seq - direction->trap_seq) <= 0)
		return REASON_BLOCKED_READER;
	return REASON_NONE;
}

static __always_inline int pass(struct conn *conn, __u32 slot, struct direction *direction,
				enum reason reason)
{
	struct counters *counters = counters_get();

	direction->reason = reason;
	direction->tcp_messages++;
	if (counters) {
		counters->tcp_messages++;
		if (reason < REASONS)
			counters->reasons[reason]++;
	}
	/* TCP bytes on a member are watched until they are read (and FIONREAD may hide them
	 * meanwhile). */
	attend(conn, slot);
	return SK_PASS;
}

/* A connection that is leaving takes TCP, whatever is unread of what was redirected: recv finds
 * that first. Splice does not: what follows must not reach it, so the connection is reset. */
static __always_inline int leave_by_tcp(struct conn *conn, __u32 slot, __u32 role,
					struct direction *direction, enum reason reason)
{
	if (conn->ends[!role].spliced && !redirect_drained(conn, role))
		doom(conn, slot, !role);
	if (conn->doomed)
		return SK_DROP;
	return pass(conn, slot, direction, reason);
}

static __always_inline int redirect(struct sk_msg_md *msg, const struct end *end, struct conn *conn,
				    __u32 slot, struct direction *direction, __u32 size, __u32 join)
{
	struct isn_pair peer = {.own = end->key.peer, .peer = end->key.own};
	struct counters *counters;
	__u32 state;

	add_ordered(&direction->sent, size);
	state = *(volatile __u32 *)&conn->state;
	if ((state != CONN_JOINED && state != CONN_STOPPING) ||
	    *(volatile __u32 *)&conn->join != join) {
		__sync_fetch_and_add(&direction->sent, -size);
		direction->path = PATH_MIXED;
		return leave_by_tcp(conn, slot, end->role & 1, direction, REASON_LEAVING);
	}
	if (bpf_msg_redirect_hash(msg, &meshaccel_members, &peer, BPF_F_INGRESS) != SK_PASS) {
		__sync_fetch_and_add(&direction->sent, -size);
		direction->path = PATH_MIXED;
		if (conn->state == CONN_JOINED)
			conn->reason = REASON_PEER_GONE;
		return pass(conn, slot, direction, REASON_PEER_GONE);
	}
	direction->queued_messages++;
	direction->queued_bytes += size;
	direction->redirected_bytes += size;
	counters = counters_get();
	if (counters) {
		counters->redirected_messages++;
		counters->redirected_bytes += size;
	}
	return SK_PASS;
}

static __always_inline int verdict(struct sk_msg_md *msg, const struct end *end, struct conn *conn,
				   __u32 slot)
{
	__u32 role = end->role & 1, size = msg->size;
	struct direction *direction = &conn->directions[role];
	const struct conn_end *reader = &conn->ends[!role];
	const struct config *config = config_get();
	const struct tcp_sock *tp = sender_of(msg);
	__u32 join = *(volatile __u32 *)&conn->join;
	enum reason reason;
	__u8 state;

	if (!tp || !config)
		return SK_PASS;

	/* R6 */
	state = tp->inet_conn.icsk_inet.sk.__sk_common.skc_state;
	if (state != TCP_ESTABLISHED && state != TCP_CLOSE_WAIT)
		return pass(conn, slot, direction, REASON_STATE);

	if (conn->state < CONN_JOINED || conn->state == CONN_SEALED ||
	    direction->path == PATH_MIXED)
		return leave_by_tcp(conn, slot, role, direction, conn->reason ?: REASON_LEAVING);

	reason = must_stop(conn, config, reader);
	if (direction->path == PATH_TCP || direction->path_seq != tp->write_seq) {
		direction->path = PATH_TCP;
		if (!reason)
			reason = tcp_drained(tp, direction, reader);
		if (reason)
			return pass(conn, slot, direction, reason);
		direction->path = PATH_REDIRECT;
		direction->path_seq = tp->write_seq;
		direction->queued_messages = 0;
		direction->queued_bytes = 0;
	}

	/* R1, from redirect to TCP: only once the reader has consumed what was redirected. */
	if (reason && !unread_bytes(direction, reader)) {
		direction->path = PATH_TCP;
		return pass(conn, slot, direction, reason);
	}

	reason = bounded(tp, direction, config, reader, size);
	if (reason) {
		direction->path = unread_bytes(direction, reader) ? PATH_MIXED : PATH_TCP;
		if (conn->state == CONN_JOINED)
			conn->reason = reason;
		return pass(conn, slot, direction, reason);
	}

	/* Without an agent it would be on TCP, and stay a member. */
	if (is_stream(end, direction, size) && !no_scan_for(config, ABSENT_NS))
		stop(conn, slot, REASON_STREAM);
	return redirect(msg, end, conn, slot, direction, size, join);
}

#endif
