// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Decides for each send of a member whether it goes straight to the peer's queue or takes TCP. The
 * rules:
 *
 *	R1	A direction changes its path only when its reader has read all earlier bytes.
 *	R2	Both ends are members. A connection that is leaving takes TCP.
 *	R3	Redirected and unread bytes are bounded, and leave room in the reader's receive
 *		buffer. Over a cap the direction becomes mixed.
 *	R4	A stream of small sends makes its connection leave.
 *	R5	The reader must be able to see redirected bytes: must_stop() and tcp_drained().
 *	R6	Only a socket in ESTABLISHED or CLOSE_WAIT redirects.
 *	R7	If redirecting is off, all take TCP. Without an agent they do so, too, unless the
 *		policy is strict.
 *
 * They rest on two facts. tcp_bpf_recvmsg drains the redirected queue (psock->ingress_msg) before
 * the TCP queue. A reader that is already in the plain tcp_recvmsg sees only the TCP queue.
 *
 * The verdict runs under the lock of the sending socket, so a direction has one writer. The kernel
 * drops that lock between the verdict and the peer's queue. A redirect may be under way while a
 * scan looks. Therefore redirect() first announces the bytes (`sent`), then checks whether the
 * connection is sealed. The scan first seals, then reads what is announced. So at least one of the
 * two sees the other. Once the connection is sealed, all bytes that are under way are announced.
 *
 * The verdict reads the peer through the kernel address that the scan noted. The address may be
 * stale, because the peer can close at any time. The redirect comes last and finds the peer by its
 * key. So a stale read can only cause a miss, and the message then takes TCP.
 */
#ifndef VERDICT
#define PEEK_BY_CAST
#define VERDICT meshaccel_verdict
#endif
#include "drained.bpf.h"
#include "memory.bpf.h"

#define unread_bytes   GLOBAL(meshaccel_unread_bytes)
#define count_messages GLOBAL(meshaccel_count_messages)
#define pass	       GLOBAL(meshaccel_pass)
#define leave_by_tcp   GLOBAL(meshaccel_leave_by_tcp)

/* An upper bound of the bytes that one end has redirected to the other and that are unread. Newer
 * kernels keep this number in the psock. On others an empty queue means 0, if no other thread than
 * the caller is in sendmsg. The caller itself holds one reference to the psock. */
GLOBAL_FUNCTION __u32 unread_bytes(struct conn *conn, __u32 role)
{
	const struct conn_end *reader;

	if (!conn)
		return 0;
	reader = &conn->ends[~role & 1];
	if (bpf_core_field_exists(((struct sk_psock___counting *)0)->msg_tot_len))
		return peek(struct sk_psock___counting, reader->psock, msg_tot_len);
	if (queue_drained(conn, role, 1))
		return 0;
	return conn->directions[role & 1].sent -
	       received_beyond_tcp(peek_end(reader->end, received),
				   peek(struct tcp_sock, reader->sk, copied_seq),
				   peek_end(reader->end, base));
}

struct counting {
	struct list_head *head;
	struct list_head *node;
	__u32 messages;
	__u32 pad;
};

static long count_one(__u32 index, struct counting *counting)
{
	if (!counting->node || counting->node == counting->head)
		return 1;
	counting->node = peek(struct list_head, counting->node, next);
	counting->messages++;
	return 0;
}

/* R3. Counts the messages in the redirected queue. The list may change meanwhile. That affects only
 * the estimate. */
GLOBAL_FUNCTION __u32 count_messages(__u64 psock)
{
	struct counting counting = {
	    .head = &((struct sk_psock *)psock)->ingress_msg,
	    .node = peek(struct sk_psock, psock, ingress_msg.next),
	};

	bpf_loop(CAP_MESSAGES * HARD_CAP_FACTOR, count_one, &counting, 0);
	return counting.messages;
}

/* R3, over all flows. Redirected bytes are charged to TCP's memory, so its own total bounds them.
 */
static __always_inline bool tcp_memory_low(const struct tcp_sock *tp, const struct config *config)
{
	const struct proto *proto = tp->inet_conn.icsk_inet.sk.__sk_common.skc_prot;

	return proto->memory_allocated->counter < config->tcp_memory_pages;
}

/* R3: the caps of one direction. They include the room in the receive buffer: see receive_room().
 * Beyond them it becomes mixed, and then the agent must see a reader that starts to splice. So the
 * hard caps apply until the splice watch is attached. They also apply while the agent is away,
 * because only the agent returns a flow to TCP. */
static __always_inline enum reason over_cap(const struct config *config,
					    const struct conn_end *reader, __u32 unread, __u32 size,
					    __u32 messages)
{
	__u64 factor =
	    config->splice_watched && !no_scan_for(config, ABSENT_NS) ? 1 : HARD_CAP_FACTOR;

	if ((__u64)unread + size > config->cap_bytes * factor)
		return REASON_CAP_BYTES;
	if (unread + size > READ_ONCE(reader->room))
		return REASON_CAP_BYTES;
	return messages >= CAP_MESSAGES * factor ? REASON_CAP_MESSAGES : REASON_NONE;
}

/* Notifies the agent at once: its next scan may be too late. */
static __noinline int ask_for_watch(void)
{
	struct event event = {.kind = EVENT_WATCH_SPLICE};

	tell(&event);
	return 0;
}

/* R3: whether this many more bytes may wait in the peer's queue. The queue belongs to the other
 * processor, so the verdict rarely looks at it. It does so when the bytes redirected since the last
 * look may exceed what the direction may hold. */
static __always_inline enum reason bounded(const struct tcp_sock *tp, struct conn *conn, __u32 role,
					   const struct config *config, __u32 size)
{
	struct direction *direction = &conn->directions[role & 1];
	const struct conn_end *reader = &conn->ends[!role];
	__u32 cost = size + MESSAGE_BYTES, unread, messages, more;
	enum reason reason;

	if (!tcp_memory_low(tp, config))
		return REASON_TCP_MEMORY;
	if ((__u64)direction->queued + cost <= READ_ONCE(direction->allowed))
		return REASON_NONE;
	unread = unread_bytes(conn, role);
	messages = unread ? count_messages(reader->psock) : 0;
	direction->queued = unread + messages * MESSAGE_BYTES;
	reason = over_cap(config, reader, unread, size, messages);
	if (reason)
		return reason;
	if (unread) {
		if (!config->splice_watched && !direction->asked &&
		    (unread > config->cap_bytes / 2 || unread > reader->room / 2 ||
		     messages > CAP_MESSAGES / 2)) {
			direction->asked = 1;
			ask_for_watch();
		}
	} else {
		direction->asked = 0;
	}
	if ((__u64)direction->queued + cost <= READ_ONCE(direction->allowed))
		return REASON_NONE;
	more = direction->queued + cost - READ_ONCE(direction->allowed);
	more = (more + CHUNK_BYTES - 1) / CHUNK_BYTES * CHUNK_BYTES;
	if (!take_memory(conn->ends[ROLE_CLIENT].netns_cookie, more))
		return REASON_MEMORY_BUDGET;
	__sync_fetch_and_add(&direction->allowed, more);
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

/* R2, R5, R7: why a direction returns to TCP as soon as its redirected bytes are read. */
static __always_inline enum reason must_stop(const struct tcp_sock *tp, const struct conn *conn,
					     const struct config *config,
					     const struct conn_end *reader, __u32 size)
{
	if (state_of(conn) != CONN_JOINED)
		return REASON_LEAVING;
	if (!config->redirect)
		return REASON_DRAINED_OFF;
	if (config->stop_when_stale && no_scan_for(config, HEARTBEAT_NS))
		return REASON_AGENT_STALE;
	if (peek(struct sock, reader->sk, sk_rcvlowat) > 1)
		return REASON_RCVLOWAT;
	if (reader->spliced)
		return REASON_SPLICE;
	/* TLS in the kernel, or another protocol above TCP, has begun at one end. Its receives take
	 * redirected bytes for decrypted ones. */
	if (peek(struct inet_connection_sock, reader->sk, icsk_ulp_ops) ||
	    tp->inet_conn.icsk_ulp_ops)
		return REASON_ULP;
	if (reader->proxy)
		return REASON_NONE;
	if (config->proxies_only || (config->fionread_hides & FIONREAD_HIDES_REDIRECTED &&
				     size > peek_end(reader->end, room)))
		return REASON_UNKNOWN_READER;
	return REASON_NONE;
}

/* R1, from TCP to redirect: the reader has consumed all that was sent by TCP. R5: a reader that was
 * inside tcp_recvmsg when it became a member has returned since. A non-blocking one does not sleep
 * there, but it may wait for the lock of its socket, or for a processor. It would take an end of
 * the stream, or later bytes by TCP, before redirected bytes.
 *
 * Where FIONREAD hides TCP bytes, a reader that asks before each receive never takes the first TCP
 * bytes of a join. Such a reader receives only if it was told of bytes. So it is in no receive once
 * it has taken all that was sent. A reader that does not ask may be taken for one that does, if it
 * was slow at two joins in a row: see tend_joined(). */
static __always_inline enum reason tcp_drained(const struct tcp_sock *tp,
					       const struct direction *direction,
					       const struct conn_end *reader)
{
	__u32 copied_seq = peek(struct tcp_sock, reader->sk, copied_seq);

	if (copied_seq != tp->write_seq)
		return REASON_UNDRAINED;
	if ((reader->blocking || !is_hesitant(reader)) &&
	    (__s32)(copied_seq - direction->trap_seq) <= 0)
		return REASON_BLOCKED_READER;
	return REASON_NONE;
}

GLOBAL_FUNCTION int pass(struct conn *conn, __u32 slot, __u32 role, __u32 reason)
{
	struct counters *counters = counters_get();
	struct direction *direction;

	if (!conn)
		return SK_PASS;
	direction = &conn->directions[role & 1];
	direction->reason = reason;
	direction->tcp_messages++;
	if (counters)
		counters->tcp_messages++;
	count(reason);
	/* The scan checks TCP bytes on a member until they are read, because FIONREAD may hide
	 * them. */
	attend(conn, slot);
	return SK_PASS;
}

/* A connection that is leaving takes TCP even while redirected bytes are unread, because recv reads
 * those first. Splice does not read them first. A reader that splices must not get the new bytes,
 * so the connection is reset. */
GLOBAL_FUNCTION int leave_by_tcp(struct conn *conn, __u32 slot, __u32 role, __u32 reason)
{
	if (!conn)
		return SK_PASS;
	if (READ_ONCE(conn->ends[~role & 1].spliced) && !redirect_drained(conn, role))
		doom(conn, slot, !role, REASON_SPLICE);
	if (conn->doomed)
		return SK_DROP;
	return pass(conn, slot, role, reason);
}

static __always_inline int redirect(struct sk_msg_md *msg, const struct end *end, struct conn *conn,
				    __u32 slot, struct direction *direction, __u32 size, __u32 join)
{
	struct isn_pair peer = {.own = end->key.peer, .peer = end->key.own};
	struct counters *counters;
	__u32 state;

	add_ordered(&direction->sent, size);
	state = state_of(conn);
	if ((state != CONN_JOINED && state != CONN_STOPPING) || READ_ONCE(conn->join) != join) {
		__sync_fetch_and_add(&direction->sent, -size);
		WRITE_ONCE(direction->path, PATH_MIXED);
		return leave_by_tcp(conn, slot, end->role & 1, REASON_LEAVING);
	}
	if (bpf_msg_redirect_hash(msg, &meshaccel_members, &peer, BPF_F_INGRESS) != SK_PASS) {
		__sync_fetch_and_add(&direction->sent, -size);
		WRITE_ONCE(direction->path, PATH_MIXED);
		return pass(conn, slot, end->role & 1, REASON_PEER_GONE);
	}
	direction->queued += size + MESSAGE_BYTES;
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
	__u32 role = end->role & 1, size = msg->size, state;
	struct direction *direction = &conn->directions[role];
	const struct conn_end *reader = &conn->ends[!role];
	const struct config *config = config_get();
	const struct tcp_sock *tp = sender_of(msg);
	__u32 join = READ_ONCE(conn->join);
	enum reason reason;
	__u8 socket_state;

	if (!tp || !config)
		return SK_PASS;

	/* R6 */
	socket_state = tp->inet_conn.icsk_inet.sk.__sk_common.skc_state;
	if (socket_state != TCP_ESTABLISHED && socket_state != TCP_CLOSE_WAIT)
		return pass(conn, slot, role, REASON_STATE);

	state = state_of(conn);
	/* Pairs with the exchange of conn->life in engage(). A verdict that sees the connection
	 * joined, or its new join, also sees the paths and trap_seq of that join. */
	load_fence(&direction->sent);
	/* The socket has left. The kernel still asks, because the socket is in another agent's
	 * sockmap. */
	if (state < CONN_JOINING)
		return conn->doomed ? SK_DROP : SK_PASS;
	if (state < CONN_JOINED || state == CONN_SEALED)
		return leave_by_tcp(conn, slot, role, reason_of(conn) ?: REASON_LEAVING);
	if (direction->path == PATH_MIXED)
		return leave_by_tcp(conn, slot, role, direction->reason ?: REASON_LEAVING);

	reason = must_stop(tp, conn, config, reader, size);
	if (direction->path == PATH_TCP || direction->path_seq != tp->write_seq) {
		WRITE_ONCE(direction->path, PATH_TCP);
		if (!reason)
			reason = tcp_drained(tp, direction, reader);
		if (reason)
			return pass(conn, slot, role, reason);
		WRITE_ONCE(direction->path_seq, tp->write_seq);
		WRITE_ONCE(direction->path, PATH_REDIRECT);
		direction->queued = 0;
	}

	/* R1, from redirect to TCP: only after the reader has consumed all redirected bytes. */
	if (reason && !unread_bytes(conn, role)) {
		WRITE_ONCE(direction->path, PATH_TCP);
		return pass(conn, slot, role, reason);
	}

	reason = bounded(tp, conn, role, config, size);
	if (reason) {
		WRITE_ONCE(direction->path, unread_bytes(conn, role) ? PATH_MIXED : PATH_TCP);
		return pass(conn, slot, role, reason);
	}

	/* Without an agent the connection would take TCP but stay a member. */
	if (is_stream(end, direction, size) && !no_scan_for(config, ABSENT_NS))
		stop(conn, slot, REASON_STREAM);
	return redirect(msg, end, conn, slot, direction, size, join);
}

/* The kernel's own view of the context. */
struct sk_msg___redirected {
	struct sock *sk_redir;
} __attribute__((preserve_access_index));

/* The kernel asks again about the rest of a message if it could queue only a part of it. It still
 * has the socket of the first answer, to which it holds no reference any more. It takes SK_PASS for
 * a redirect to that socket, which may belong to another connection by now. So the rest is
 * redirected again, or dropped. Then send() returns the length of the first part. The first verdict
 * has announced the whole message. The peer stays in the map until that has been delivered, unless
 * it closes. */
static __always_inline int redirect_rest(struct sk_msg_md *msg, const struct end *end)
{
	struct isn_pair peer = {.own = end->key.peer, .peer = end->key.own};

	return bpf_msg_redirect_hash(msg, &meshaccel_members, &peer, BPF_F_INGRESS);
}

SEC("sk_msg")
int VERDICT(struct sk_msg_md *msg)
{
	bool is_rest = peek(struct sk_msg___redirected, msg, sk_redir);
	struct bpf_sock *sk = msg->sk;
	struct conn *conn;
	struct end *end;

	end = sk ? bpf_sk_storage_get(&meshaccel_ends, sk, NULL, 0) : NULL;
	if (!end)
		return is_rest ? SK_DROP : SK_PASS;
	if (is_rest)
		return redirect_rest(msg, end);
	conn = conn_of(end);
	if (!conn)
		return SK_PASS;
	return verdict(msg, end, conn, end->conn - 1);
}

char LICENSE[] SEC("license") = "GPL";
