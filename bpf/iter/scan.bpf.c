// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Pairs, joins and leaves. The agent reads this iterator up to some twenty times a second; nothing
 * else moves a connection on, but for JOINED to STOPPING (stop()) and to SEALED (half_closed()).
 * Scans never overlap.
 *
 *	WATCHED > JOINING > JOINED > STOPPING > SEALED > WATCHED
 *
 * A join needs the socket itself, so it happens when the iterator over meshaccel_wanted meets it.
 * All else works on the slots of meshaccel_conns, at the end of each scan.
 *
 * Leaving. SEALED is set first and the bytes announced are read afterwards; the verdict announces
 * first and reads the state afterwards. So once sealed, `sent` is final, and a direction whose
 * reader has received all of it has nothing unread and nothing under way: the ends may leave the
 * sockhash. Until then they may not: the kernel would throw queued bytes away.
 *
 * Output: the netns cookie (u64) of each socket that waits to be kicked, with SETTINGS_ONLY where
 * that may take its time; a 0 if the scan has more to do soon; and all ones if it has at once: one
 * end of a connection is a member and its peer, which was met before, is not, so FIONREAD may hide
 * what it receives.
 */
#include "address.bpf.h"
#include "ends.bpf.h"
#include "identity.bpf.h"
#include "drained.bpf.h"
#include "exclude.bpf.h"
#include "quarantine.bpf.h"
#include "shares.bpf.h"
#include "verdict.bpf.h"

#define O_NONBLOCK 00004000
/* Threads that wait on one socket, of which a sweep looks at no more. */
#define WAITERS_MAX 16
/* The kernel counts netns cookies up from 1. */
#define SETTINGS_ONLY (1ULL << 63)

extern const void woken_wake_function __ksym __weak;

/* What bars a socket from the sockhash, whatever its readers do. */
static __always_inline enum reason unsuitable(const struct tcp_sock *tp)
{
	const struct sock *sk = &tp->inet_conn.icsk_inet.sk;

	if (tp->inet_conn.icsk_ulp_ops)
		return REASON_ULP;
	if (sk->__sk_common.skc_flags &
	    (1UL << bpf_core_enum_value(enum sock_flags, SOCK_ZEROCOPY)))
		return REASON_ZEROCOPY;
	if (sk->sk_rcvlowat > 1)
		return REASON_RCVLOWAT;
	/* Redirected bytes come without time stamps and without the mark of an urgent byte, and
	 * are peeked at from the first one on. (Without TCP_INQ as well, which gRPC sets on every
	 * connection and does without.) */
	if (sk->sk_tsflags || sk->sk_peek_off >= 0 ||
	    sk->__sk_common.skc_flags &
		(1UL << bpf_core_enum_value(enum sock_flags, SOCK_RCVTSTAMP) |
		 1UL << bpf_core_enum_value(enum sock_flags, SOCK_URGINLINE)))
		return REASON_SOCKET_OPTION;
	return REASON_NONE;
}

/* Looks again after as many turns more, each time longer. */
static __always_inline void postpone(struct sock *sk, struct end *end, enum reason why)
{
	end->why = why;
	end->turns = 0;
	if (end->turns_needed < TURNS_MAX)
		end->turns_needed *= 2;
	unwant(sk, end);
}

/* Until the rules change: its turns are counted meanwhile. */
static __always_inline void set_aside(struct sock *sk, struct end *end)
{
	end->why = REASON_EXCLUDED;
	end->turns_needed = TURNS_NEVER;
	unwant(sk, end);
}

static __always_inline void bar(struct sock *sk, struct end *end, enum reason reason)
{
	end->barred = reason;
	unwant(sk, end);
}

static __always_inline void fill_end(struct conn *conn, const struct claim *claim, __u32 role)
{
	struct conn_end *end = &conn->ends[role & 1];

	end->sk = claim->sk[role & 1];
	end->end = claim->end[role & 1];
	end->netns_cookie = claim->netns_cookie[role & 1];
}

/* Both ends are there: gives the connection its slot. */
static __always_inline enum reason allocate(struct claim *claim, const struct isn_pair *identity,
					    struct config *config)
{
	struct conn *conn;
	__u32 slot;

	if (claim->sk[ROLE_CLIENT] == claim->sk[ROLE_SERVER])
		return REASON_SELF_CONNECT;
	if (!may_take_slot(claim->netns_cookie[ROLE_CLIENT]))
		return REASON_TABLE_FULL;
	if (bpf_map_pop_elem(&meshaccel_free, &slot)) {
		if (config->slots_used >= MAX_CONNS)
			return REASON_TABLE_FULL;
		slot = config->slots_used++;
	}
	conn = bpf_map_lookup_elem(&meshaccel_conns, &slot);
	if (!conn)
		return REASON_TABLE_FULL;
	__builtin_memset(conn, 0, sizeof(*conn));
	conn->identity = *identity;
	fill_end(conn, claim, ROLE_CLIENT);
	fill_end(conn, claim, ROLE_SERVER);
	conn->since_ns = bpf_ktime_get_ns();
	conn->state = CONN_WATCHED;
	charge_slots(claim->netns_cookie[ROLE_CLIENT], 1);
	claim->conn = slot + 1;
	return REASON_NONE;
}

/* Claims the end's identity and looks for its peer. Returns whether the end is paired. */
static __always_inline bool pair(struct sock *sk, struct end *end, struct config *config)
{
	__u32 role = end->role & 1, bit = 1U << role;
	struct isn_pair identity = identity_of(&end->key, role);
	struct claim *claim, fresh = {};
	enum reason reason;

	claim = bpf_map_lookup_elem(&meshaccel_identities, &identity);
	if (!claim) {
		fresh.since_ns = bpf_ktime_get_ns();
		if (!may_take_slot(end->netns_cookie) ||
		    bpf_map_update_elem(&meshaccel_identities, &identity, &fresh, BPF_NOEXIST)) {
			postpone(sk, end, REASON_TABLE_FULL);
			return false;
		}
		claim = bpf_map_lookup_elem(&meshaccel_identities, &identity);
		if (!claim)
			return false;
	}
	if (!(claim->held & bit)) {
		claim->sk[role] = (__u64)sk;
		claim->end[role] = (__u64)end;
		claim->netns_cookie[role] = end->netns_cookie;
		__sync_fetch_and_or(&claim->held, bit);
		/* The socket may have closed meanwhile: its close either saw the claim or is seen
		 * here. */
		if (*(volatile __u32 *)&end->gone) {
			if (__sync_fetch_and_and(&claim->held, ~bit) == bit)
				bpf_map_delete_elem(&meshaccel_identities, &identity);
			return false;
		}
	} else if (claim->sk[role] != (__u64)sk) {
		bar(sk, end, REASON_SECOND_CLAIM);
		return false;
	}
	if (claim->held != 3) {
		if (bpf_ktime_get_ns() - claim->since_ns > PAIRING_NS) {
			if (__sync_fetch_and_and(&claim->held, ~bit) == bit)
				bpf_map_delete_elem(&meshaccel_identities, &identity);
			postpone(sk, end, REASON_REMOTE_PEER);
		}
		return false;
	}
	if (!claim->conn) {
		reason = allocate(claim, &identity, config);
		if (reason == REASON_SELF_CONNECT) {
			bar(sk, end, reason);
			return false;
		}
		if (reason) {
			/* Claims are for those that may have a slot. */
			bpf_map_delete_elem(&meshaccel_identities, &identity);
			postpone(sk, end, reason);
			return false;
		}
	}
	end->conn = claim->conn;
	return true;
}

static __always_inline bool is_blocking(const struct sock *sk)
{
	const struct socket *socket = sk->sk_socket;
	const struct file *file = socket ? socket->file : NULL;

	return !file || !(file->f_flags & O_NONBLOCK);
}

/* Whether the sidecar of its pod opened the socket. */
static __always_inline bool is_proxy(const struct sock *sk, const struct end *end)
{
	const struct pod *pod = bpf_map_lookup_elem(&meshaccel_pods, &end->netns_cookie);

	return pod && pod->proxy_uid && sk->sk_uid.val == pod->proxy_uid;
}

/* Puts the socket into the sockhash. */
static __always_inline enum reason enter(struct sock *sk, struct end *end, struct conn_end *me)
{
	struct isn_pair key = end->key;
	struct member member = {.slot = end->conn - 1, .role = end->role & 1};
	__u64 address = (__u64)sk;

	/* The watch on splice is up before the first byte is redirected. */
	if (bpf_map_update_elem(&meshaccel_sockets, &address, &member, BPF_ANY))
		return REASON_TABLE_FULL;
	if (bpf_map_update_elem(&meshaccel_members, &key, sk, BPF_NOEXIST)) {
		bpf_map_delete_elem(&meshaccel_sockets, &address);
		return REASON_BUSY;
	}
	/* Read after the socket's receives have turned to the sockmap: who blocks from now on does
	 * so there. */
	me->blocking = is_blocking(sk);
	me->psock = peek_psock((__u64)sk);
	me->proxy = is_proxy(sk, end);
	me->member = 1;
	end->joined = 1;
	end->turns = 0;
	return REASON_NONE;
}

/* Both are members: from here on the verdict decides. */
static __always_inline void engage(struct seq_file *seq, struct conn *conn, __u32 slot,
				   const struct config *config)
{
	struct counters *counters = counters_get();
	int role;

	for (role = 0; role < ROLES; role++) {
		struct direction *direction = &conn->directions[role];
		__u64 cookie = conn->ends[role].netns_cookie | SETTINGS_ONLY;

		/* So that the socket hears of its packets should the agent die: see watch.bpf.c. */
		if (!config->stop_when_stale)
			bpf_seq_write(seq, &cookie, sizeof(cookie));
		direction->path = PATH_TCP;
		direction->reason = REASON_NONE;
		direction->run_messages = 0;
		direction->run_bytes = 0;
		direction->trap_seq = peek(struct tcp_sock, conn->ends[role].sk, write_seq);
		conn->ends[role].seen_copied_seq = direction->trap_seq;
		conn->ends[role].stuck = 0;
	}
	conn->join++;
	conn->settings = 3;
	conn->reason = REASON_NONE;
	conn->since_ns = bpf_ktime_get_ns();
	__sync_lock_test_and_set(&conn->state, CONN_JOINED);
	if (counters)
		counters->joins++;
	attend(conn, slot);
}

static __always_inline bool both_enabled(const struct conn *conn, const struct config *config)
{
	return config->redirect && pod_enabled(conn->ends[ROLE_CLIENT].netns_cookie) &&
	       pod_enabled(conn->ends[ROLE_SERVER].netns_cookie);
}

/* A wanted end: pairs it, and once both ends of a connection are wanted, has them join. */
static __always_inline void visit(struct seq_file *seq, struct sock *sk, struct end *end,
				  struct config *config)
{
	const __u64 at_once = ~0ULL;
	const struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct conn_end *me, *peer;
	struct conn *conn;
	enum reason reason;
	__u32 slot;

	if (!tp || end->gone || sk->__sk_common.skc_state != TCP_ESTABLISHED || end->barred) {
		unwant(sk, end);
		return;
	}
	reason = unsuitable(tp);
	if (reason) {
		bar(sk, end, reason);
		return;
	}
	if (!config->redirect || !pod_enabled(end->netns_cookie)) {
		unwant(sk, end);
		return;
	}
	if (is_quarantined(end->netns_cookie, end->exe_inode, end->exe_device)) {
		bar(sk, end, REASON_QUARANTINED);
		return;
	}
	if (!end->conn && !pair(sk, end, config))
		return;
	slot = end->conn - 1;
	conn = bpf_map_lookup_elem(&meshaccel_conns, &slot);
	if (!conn)
		return;
	me = &conn->ends[end->role & 1];
	peer = &conn->ends[!(end->role & 1)];
	ask_rules(sk, end, conn, config);

	switch (conn->state) {
	case CONN_WATCHED:
		if (me->spliced) {
			bar(sk, end, REASON_SPLICE);
			return;
		}
		if (conn->excluded) {
			me->wanted = 0;
			set_aside(sk, end);
			return;
		}
		if (!both_enabled(conn, config) || bpf_ktime_get_ns() < conn->not_before_ns) {
			end->turns = 0;
			unwant(sk, end);
			return;
		}
		if (!me->wanted && !peer->wanted)
			conn->since_ns = bpf_ktime_get_ns();
		me->wanted = 1;
		if (!peer->wanted) {
			/* The peer's readers may never prove themselves. */
			if (bpf_ktime_get_ns() - conn->since_ns > PAIRING_NS) {
				me->wanted = 0;
				postpone(sk, end, REASON_PEER_UNPROVEN);
			}
			return;
		}
		conn->state = CONN_JOINING;
		conn->since_ns = bpf_ktime_get_ns();
		attend(conn, slot);
		bpf_seq_write(seq, &at_once, sizeof(at_once));
		/* fall through */
	case CONN_JOINING:
		if (!me->member) {
			reason = enter(sk, end, me);
			if (reason)
				count(reason);
		}
		if (me->member && peer->member) {
			engage(seq, conn, slot, config);
			unwant(sk, end);
		}
		return;
	default:
		unwant(sk, end);
	}
}

/* Bytes that wait in the socket's TCP queue. */
static __always_inline bool tcp_unread(const struct conn_end *reader)
{
	return !reader->closed && peek(struct tcp_sock, reader->sk, rcv_nxt) !=
				      peek(struct tcp_sock, reader->sk, copied_seq);
}

static __always_inline void kick(struct seq_file *seq, struct conn *conn, int role)
{
	conn->kick |= 1 << role;
	bpf_seq_write(seq, &conn->ends[role].netns_cookie, sizeof(__u64));
}

/* Asked for and not given: the agent that was to kick has failed or died. Returns whether some are
 * still to be given. */
static __always_inline bool kick_again(struct seq_file *seq, struct conn *conn)
{
	int role;

	for (role = 0; role < ROLES; role++) {
		if (!(conn->kick & (1 << role)))
			continue;
		if (conn->ends[role].closed)
			conn->kick &= ~(1 << role);
		else
			kick(seq, conn, role);
	}
	return conn->kick;
}

static __always_inline void leave(struct seq_file *seq, struct conn *conn)
{
	struct counters *counters = counters_get();
	struct isn_pair client = conn->identity, server = {.own = client.peer, .peer = client.own};
	int role;

	bpf_map_delete_elem(&meshaccel_members, &client);
	bpf_map_delete_elem(&meshaccel_members, &server);
	for (role = 0; role < ROLES; role++) {
		bpf_map_delete_elem(&meshaccel_sockets, &conn->ends[role].sk);
		conn->ends[role].member = 0;
		conn->ends[role].wanted = 0;
		conn->directions[role].path = PATH_TCP;
		/* Of an exclusion conn->excluded tells, for as long as it holds. */
		conn->directions[role].reason =
		    conn->reason == REASON_EXCLUDED ? REASON_NONE : conn->reason;
		/* An edge-triggered reader may take its last redirected bytes for the end of what
		 * there is. */
		if (tcp_unread(&conn->ends[role]))
			kick(seq, conn, role);
	}
	conn->since_ns = bpf_ktime_get_ns();
	if (conn->reason != REASON_POD_DISABLED && conn->reason != REASON_EXCLUDED) {
		conn->not_before_ns = conn->since_ns + (BACKOFF_NS << conn->backoff);
		if (conn->backoff < BACKOFF_MAX)
			conn->backoff++;
	}
	__sync_lock_test_and_set(&conn->state, CONN_WATCHED);
	if (counters) {
		counters->leaves++;
		if (conn->reason < REASONS)
			counters->reasons[conn->reason]++;
	}
}

static __always_inline bool reader_quarantined(const struct conn_end *reader)
{
	return is_quarantined(reader->netns_cookie, peek_end(reader->end, exe_inode),
			      peek_end(reader->end, exe_device));
}

/* A joined connection: is what went by TCP being read? Returns whether to look again. */
static __always_inline bool tend_joined(struct seq_file *seq, struct conn *conn, __u32 slot,
					const struct config *config)
{
	bool again = false;
	int role;

	if (!both_enabled(conn, config)) {
		stop(conn, slot, REASON_POD_DISABLED);
		return true;
	}
	if (conn->excluded) {
		stop(conn, slot, REASON_EXCLUDED);
		return true;
	}
	for (role = 0; role < ROLES; role++) {
		struct conn_end *reader = &conn->ends[!role];
		const struct direction *direction = &conn->directions[role];
		__u32 copied_seq;

		if (reader->spliced) {
			stop(conn, slot, REASON_SPLICE);
			return true;
		}
		if (!reader->closed && reader_quarantined(reader)) {
			stop(conn, slot, REASON_QUARANTINED);
			return true;
		}

		if (direction->path == PATH_MIXED) {
			/* R3: once the redirected part is read, the rest belongs to plain TCP. */
			again = true;
			if (reader->closed || queue_empty(reader->psock))
				stop(conn, slot, conn->reason);
			continue;
		}
		/* The verdict asks for attention before its bytes are in the queue: look twice. */
		if (reader->seen_tcp_messages != (__u32)direction->tcp_messages) {
			reader->seen_tcp_messages = direction->tcp_messages;
			again = true;
		}
		if (direction->path == PATH_REDIRECT || !tcp_unread(reader)) {
			reader->stuck = 0;
			continue;
		}
		again = true;
		copied_seq = peek(struct tcp_sock, reader->sk, copied_seq);
		/* FIONREAD may have told it that there is nothing: then it comes only as far as
		 * each kick takes it, so progress between two kicks excuses nothing. */
		if (copied_seq == reader->seen_copied_seq) {
			if (++reader->stuck >= STUCK_SCANS)
				stop(conn, slot, REASON_TCP_UNREAD);
			else
				kick(seq, conn, !role);
		}
		reader->seen_copied_seq = copied_seq;
	}
	return again;
}

/* Seems a direction to be back on TCP? Sealing finds out for sure. */
static __always_inline bool off_redirect(const struct conn *conn, int sender)
{
	const struct conn_end *reader = &conn->ends[!sender];

	return conn->directions[sender].path != PATH_REDIRECT || reader->closed ||
	       queue_empty(reader->psock);
}

/* One step of a slot that needs attention. Returns whether it needs more. */
static __always_inline bool tend(struct seq_file *seq, struct conn *conn, __u32 slot,
				 const struct config *config)
{
	bool again;

	if (conn->doomed && conn->state != CONN_FREE) {
		/* The kick resets both ends; their closing frees the slot. */
		kick(seq, conn, ROLE_CLIENT);
		kick(seq, conn, ROLE_SERVER);
		return true;
	}
	again = kick_again(seq, conn);
	switch (conn->state) {
	case CONN_JOINING:
		if (conn->excluded) {
			conn->reason = REASON_EXCLUDED;
			conn->state = CONN_SEALED;
		} else if (!both_enabled(conn, config) || conn->ends[ROLE_CLIENT].closed ||
			   conn->ends[ROLE_SERVER].closed ||
			   bpf_ktime_get_ns() - conn->since_ns > JOINING_NS) {
			conn->reason = REASON_JOIN_TIMEOUT;
			conn->state = CONN_SEALED;
		}
		return true;
	case CONN_JOINED:
		return tend_joined(seq, conn, slot, config) || again;
	case CONN_STOPPING:
		if (!(off_redirect(conn, ROLE_CLIENT) && off_redirect(conn, ROLE_SERVER)) &&
		    bpf_ktime_get_ns() - conn->since_ns < STOPPING_NS)
			return true;
		__sync_lock_test_and_set(&conn->state, CONN_SEALED);
		/* fall through */
	case CONN_SEALED:
		if (!redirect_drained(conn, ROLE_CLIENT) || !redirect_drained(conn, ROLE_SERVER))
			return true;
		leave(seq, conn);
		return conn->kick;
	case CONN_WATCHED:
		return again;
	default:
		return false;
	}
}

/* The kernel drops all that one run has written when it overflows the buffer of 32 KiB, and with it
 * who is to be kicked. */
#define OUTPUT_MAX (24 * 1024)

struct pass {
	struct seq_file *seq;
	const struct config *config;
	__u64 busy;
};

static long tend_next(__u32 index, struct pass *pass)
{
	const struct config *config = pass->config;
	struct conn *conn;
	__u32 slot;

	if (!config)
		return 1;
	if (pass->seq->count > OUTPUT_MAX) {
		pass->busy = 1;
		return 1;
	}
	if (bpf_map_pop_elem(&meshaccel_attention, &slot))
		return 1;
	conn = bpf_map_lookup_elem(&meshaccel_conns, &slot);
	if (!conn)
		return 0;
	if (conn->scanned == config->scan) {
		/* The first of those that this scan has put back: all have been seen. */
		__sync_lock_test_and_set(&conn->attention, 0);
		attend(conn, slot);
		return 1;
	}
	conn->scanned = config->scan;
	/* Whoever asks from here on is heard by the next scan. */
	__sync_lock_test_and_set(&conn->attention, 0);
	if (tend(pass->seq, conn, slot, config)) {
		attend(conn, slot);
		pass->busy = 1;
	}
	return 0;
}

/* A thread that sleeps in a receive or a splice of the socket, NULL if there is none. One that
 * sleeps in a send waits in the same way, and then nothing can be said. */
static __noinline struct task_struct *sleeping_reader(__u64 sk)
{
	struct wait_queue_head *head = &peek(struct sock, sk, sk_wq)->wait;
	struct list_head *node = peek(struct wait_queue_head, head, head.next);
	int i;

	if (!&woken_wake_function || peek(struct sock, sk, sk_write_pending))
		return NULL;
	for (i = 0; i < WAITERS_MAX && node && node != &head->head; i++) {
		struct wait_queue_entry *entry =
		    (void *)node - offsetof(struct wait_queue_entry, entry);
		struct task_struct *task = peek(struct wait_queue_entry, entry, private);

		if (peek(struct wait_queue_entry, entry, func) == (void *)&woken_wake_function &&
		    peek(struct task_struct, task, __state))
			return task;
		node = peek(struct list_head, node, next);
	}
	return NULL;
}

/* Redirected bytes that will never be read: the connection hangs, and only an error helps its
 * users.
 */
static __always_inline bool is_stuck(struct conn *conn, int sender)
{
	struct conn_end *reader = &conn->ends[!sender];
	__u32 sent = conn->directions[sender].sent, received;
	struct task_struct *task;

	if (sent == reader->swept_sent && !reader->unread)
		return false;
	reader->swept_sent = sent;
	reader->unread = !reader->closed && !queue_empty(reader->psock);
	received = peek_end(reader->end, received);
	task = reader->unread && received == reader->swept_received ? sleeping_reader(reader->sk)
								    : NULL;
	reader->swept_received = received;
	reader->asleep = task ? reader->asleep + 1 : 0;
	if (reader->asleep < STUCK_SWEEPS)
		return false;
	quarantine(task, reader->netns_cookie, REASON_STUCK);
	return true;
}

static long sweep(__u32 slot, void *unused)
{
	struct conn *conn = bpf_map_lookup_elem(&meshaccel_conns, &slot);
	int sender;

	if (!conn || conn->state < CONN_JOINING)
		return 0;
	/* Whoever asked for it may have found the queue locked. */
	if (conn->state != CONN_JOINED || conn->doomed)
		attend(conn, slot);
	if (conn->state == CONN_JOINING || conn->doomed)
		return 0;
	for (sender = 0; sender < ROLES; sender++) {
		if (is_stuck(conn, sender)) {
			conn->reason = REASON_STUCK;
			doom(conn, slot, !sender);
		}
	}
	return 0;
}

/* Over meshaccel_wanted. The iterator calls once more without a socket at the end. */
SEC("iter/bpf_sk_storage_map")
int meshaccel_scan(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct config *config = config_get();
	struct sock *sk = ctx->sk;
	struct end *end;

	if (!config)
		return 0;
	if (!sk) {
		struct pass pass = {.seq = ctx->meta->seq, .config = config};
		__u64 nobody = 0;

		config->scan++;
		if (bpf_ktime_get_ns() - config->swept_ns > SWEEP_NS) {
			config->swept_ns = bpf_ktime_get_ns();
			bpf_loop(config->slots_used, sweep, NULL, 0);
		}
		bpf_loop(MAX_CONNS, tend_next, &pass, 0);
		config->heartbeat_ns = bpf_ktime_get_ns();
		if (ctx->meta->seq_num || pass.busy)
			bpf_seq_write(ctx->meta->seq, &nobody, sizeof(nobody));
		return 0;
	}
	end = bpf_sk_storage_get(&meshaccel_ends, sk, NULL, 0);
	if (end)
		visit(ctx->meta->seq, sk, end, config);
	else
		bpf_sk_storage_delete(&meshaccel_wanted, sk);
	return 0;
}

static long survey_one(__u32 slot, struct gauge *gauge)
{
	struct conn *conn = bpf_map_lookup_elem(&meshaccel_conns, &slot);

	if (!conn)
		return 0;
	switch (conn->state) {
	case CONN_FREE:
		return 0;
	case CONN_JOINING:
		gauge->joining++;
		break;
	case CONN_JOINED:
		gauge->joined++;
		if (conn->directions[0].path == PATH_MIXED ||
		    conn->directions[1].path == PATH_MIXED)
			gauge->mixed++;
		else if (conn->directions[0].path == PATH_REDIRECT &&
			 conn->directions[1].path == PATH_REDIRECT)
			gauge->engaged++;
		break;
	case CONN_STOPPING:
	case CONN_SEALED:
		gauge->leaving++;
		break;
	}
	gauge->paired++;
	/* A pod may have been disabled: the next scan decides. */
	if (conn->state >= CONN_JOINING)
		attend(conn, slot);
	return 0;
}

/* Redirected to an end and not yet read. */
static __always_inline __u32 unread_by(const struct end *end, const struct tcp_sock *tp,
				       const struct conn *conn)
{
	__s32 unread;

	if (!conn || conn->state < CONN_JOINED)
		return 0;
	unread = conn->directions[!(end->role & 1)].sent -
		 received_beyond_tcp(end->received, tp->copied_seq, end->base);
	/* A receive may be counted before it has moved copied_seq. */
	return unread < 0 ? 0 : unread;
}

/* Over meshaccel_ends: has the next scan look at every connection, after a change of what is
 * enrolled or excluded; counts. */
SEC("iter/bpf_sk_storage_map")
int meshaccel_survey(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct gauge *gauge = bpf_map_lookup_elem(&meshaccel_gauge, &zero);
	const struct config *config = config_get();
	const struct tcp_sock *tp;
	struct sock *sk = ctx->sk;
	struct conn *conn;
	struct end *end;

	if (!gauge || !config)
		return 0;
	if (!ctx->meta->seq_num)
		__builtin_memset(gauge, 0, sizeof(*gauge));
	if (!sk) {
		struct gauge sums = {};

		bpf_loop(config->slots_used, survey_one, &sums, 0);
		sums.ends = gauge->ends;
		sums.tcp_bytes = gauge->tcp_bytes;
		sums.unread_bytes = gauge->unread_bytes;
		*gauge = sums;
		return 0;
	}
	end = bpf_sk_storage_get(&meshaccel_ends, sk, NULL, 0);
	tp = bpf_skc_to_tcp_sock(sk);
	if (!end || !tp)
		return 0;
	conn = conn_of(end);
	gauge->ends++;
	if (!end->gone) {
		gauge->tcp_bytes += tcp_bytes_of(tp, end);
		gauge->unread_bytes += unread_by(end, tp, conn);
	}
	if (conn)
		ask_rules(sk, end, conn, config);
	if (!end->barred && end->proof >= PROOF_RECEIVES && end->turns >= end->turns_needed)
		want(sk, end);
	return 0;
}

/* Over meshaccel_ends: has those connections reset that cannot leave because nobody reads. Once
 * they are closed they leave with what was redirected, unless something came by TCP behind it: it
 * would be read in its place. */
SEC("iter/bpf_sk_storage_map")
int meshaccel_reset(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	const struct tcp_sock *tp;
	struct sock *sk = ctx->sk;
	struct isn_pair key;
	struct conn *conn;
	struct end *end;

	if (!sk)
		return 0;
	end = bpf_sk_storage_get(&meshaccel_ends, sk, NULL, 0);
	tp = bpf_skc_to_tcp_sock(sk);
	if (!end || !tp)
		return 0;
	if (end->gone) {
		key = end->key;
		if (tp->rcv_nxt == tp->copied_seq)
			bpf_map_delete_elem(&meshaccel_members, &key);
		return 0;
	}
	conn = conn_of(end);
	if (conn && conn->state == CONN_SEALED && !redirect_drained(conn, !(end->role & 1)))
		doom(conn, end->conn - 1, end->role);
	return 0;
}

/* Over meshaccel_ends: the flow table, a struct flow_end for each open end. */
SEC("iter/bpf_sk_storage_map")
int meshaccel_flows(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct flow_end flow = {};
	const struct tcp_sock *tp;
	struct sock *sk = ctx->sk;
	struct conn *conn;
	struct end *end;
	__u32 role;

	if (!sk)
		return 0;
	end = bpf_sk_storage_get(&meshaccel_ends, sk, NULL, 0);
	tp = bpf_skc_to_tcp_sock(sk);
	if (!end || !tp || end->gone)
		return 0;
	role = end->role & 1;
	flow.key = end->key;
	flow.netns_cookie = end->netns_cookie;
	flow.age_ns = bpf_ktime_get_ns() - end->born_ns;
	put_addresses(&flow, sk);
	flow.role = role;
	flow.proven = !end->barred && end->proof >= PROOF_RECEIVES;
	flow.why = end->barred ?: end->reader_tgid ? end->why : REASON_UNSEEN;
	flow.reader_tgid = end->reader_tgid;
	__builtin_memcpy(flow.reader_comm, end->reader_comm, sizeof(flow.reader_comm));
	flow.received_tcp_bytes = tcp_bytes_of(tp, end);
	conn = conn_of(end);
	if (conn) {
		const struct direction *direction = &conn->directions[role];

		flow.state = conn->state;
		flow.path = direction->path;
		flow.path_reason = conn->excluded ? REASON_EXCLUDED : direction->reason;
		flow.redirected_bytes = direction->redirected_bytes;
		flow.unread_bytes = unread_by(end, tp, conn);
	}
	bpf_seq_write(ctx->meta->seq, &flow, sizeof(flow));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
