// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Reports all connections to the agent: their sums, and the flow table. Like the scan, these are
 * iterators over tasks that look at no task. */
#include "accounting.bpf.h"
#include "address.bpf.h"
#include "conn.bpf.h"
#include "exclude.bpf.h"
#include "peek.bpf.h"
#include "scan/leave.bpf.h"

/* The record of an open watched socket, found by its index in the table. */
struct open_end {
	struct end end;
	__u64 sk;
};

static __noinline bool open_end(__u32 index, struct open_end *open)
{
	const struct watched *watched = bpf_map_lookup_elem(&meshaccel_watched, &index);
	__u64 cookie = watched ? watched->cookie : 0;

	if (!cookie)
		return false;
	open->sk = watched->sk;
	return !bpf_probe_read_kernel(&open->end, sizeof(open->end), (void *)watched->end) &&
	       open->end.cookie == cookie && !open->end.gone && !has_closed(open->sk, cookie);
}

/* Bytes that were redirected to an end and are unread. An empty queue decides. The accounting would
 * blame a reader that has read everything, after a missed count or a failed redirect. */
static __noinline __u32 unread_by(const struct open_end *open, const struct conn *conn)
{
	const struct end *end = &open->end;
	__u64 psock = peek_psock(open->sk);
	__s32 unread;

	if (!conn || !is_member_state(state_of(conn)) || !psock || queue_empty(psock))
		return 0;
	if (bpf_core_field_exists(((struct sk_psock___counting *)0)->msg_tot_len))
		return peek(struct sk_psock___counting, psock, msg_tot_len);
	unread = conn->directions[!(end->role & 1)].sent -
		 received_beyond_tcp(end->received, peek(struct tcp_sock, open->sk, copied_seq),
				     end->base);
	/* A receive may be counted before it has moved copied_seq. */
	return unread < 1 ? 1 : unread;
}

/* Like tcp_bytes_of(), for a socket that may be gone. */
static __always_inline __u64 tcp_bytes_by(const struct open_end *open)
{
	bool fin = peek(struct sock, open->sk, __sk_common.skc_flags) &
		   (1UL << bpf_core_enum_value(enum sock_flags, SOCK_DONE));

	return peek(struct tcp_sock, open->sk, bytes_received) - open->end.bytes_before - fin;
}

static long survey_conn(__u32 slot, struct gauge *gauge)
{
	struct conn *conn = bpf_map_lookup_elem(&meshaccel_conns, &slot);

	if (!conn)
		return 0;
	switch (state_of(conn)) {
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
	ask_rules(conn, ROLE_CLIENT);
	ask_rules(conn, ROLE_SERVER);
	/* A pod may have been disabled: the next scan decides. */
	if (is_member_state(state_of(conn)))
		attend(conn, slot);
	return 0;
}

static long survey_end(__u32 index, struct gauge *gauge)
{
	struct open_end open;
	const struct conn *conn;

	if (!open_end(index, &open))
		return 0;
	conn = conn_of(&open.end);
	gauge->ends++;
	gauge->tcp_bytes += tcp_bytes_by(&open);
	gauge->unread_bytes += unread_by(&open, conn);
	if (is_worth_joining(&open.end) && !(conn && conn->excluded))
		want(index);
	return 0;
}

/* Counts connections. It also makes the next scan look at every connection, after a change of what
 * is enrolled or excluded. */
SEC("iter/task")
int meshaccel_survey(struct bpf_iter__task *ctx)
{
	struct gauge *gauge = bpf_map_lookup_elem(&meshaccel_gauge, &zero);
	const struct config *config = config_get();
	const __u32 *used = watched_used();
	struct gauge sums = {};

	if (ctx->task || !gauge || !config || !used)
		return 0;
	bpf_loop(config->slots_used, survey_conn, &sums, 0);
	bpf_loop(*used, survey_end, &sums, 0);
	*gauge = sums;
	return 0;
}

static __always_inline void tell_flow(struct seq_file *seq, const struct open_end *open)
{
	const struct end *end = &open->end;
	const struct conn *conn = conn_of(end);
	__u32 role = end->role & 1;
	struct flow_end flow = {
	    .key = end->key,
	    .netns_cookie = end->netns_cookie,
	    .age_ns = bpf_ktime_get_ns() - end->born_ns,
	    .role = role,
	    .proven = is_proven(end),
	    .reader_tgid = end->reader_tgid,
	    .turns = end->turns,
	};

	put_addresses(&flow, open->sk);
	flow.why = end->barred ?: end->reader_tgid ? end->why : REASON_UNSEEN;
	__builtin_memcpy(flow.reader_comm, end->reader_comm, sizeof(flow.reader_comm));
	flow.received_tcp_bytes = tcp_bytes_by(open);
	flow.acked_bytes = peek(struct tcp_sock, open->sk, bytes_acked);
	if (conn) {
		const struct direction *direction = &conn->directions[role];

		flow.state = state_of(conn);
		flow.path = direction->path;
		flow.path_reason = conn->excluded ? REASON_EXCLUDED : direction->reason;
		flow.redirected_bytes = direction->redirected_bytes;
		flow.unread_bytes = unread_by(open, conn);
	}
	bpf_seq_write(seq, &flow, sizeof(flow));
}

/* Ends that one run reports. Their output fits into the kernel's buffer of 32 KiB. */
#define FLOWS_AT_A_TIME 256

struct telling {
	struct seq_file *seq;
	__u32 first;
	__u32 pad;
};

static long flow_next(__u32 step, struct telling *telling)
{
	struct open_end open;

	if (telling->seq && open_end(telling->first + step, &open))
		tell_flow(telling->seq, &open);
	return 0;
}

/* Writes a part of the flow table: a struct flow_end for each open end. The agent begins at the
 * cursor. It repeats the run until the cursor is back at the beginning. */
SEC("iter/task")
int meshaccel_flows(struct bpf_iter__task *ctx)
{
	struct cursor *cursor = bpf_map_lookup_elem(&meshaccel_cursor, &zero);
	struct telling telling = {.seq = ctx->meta->seq};
	const __u32 *used = watched_used();

	if (ctx->task || !cursor || !used)
		return 0;
	telling.first = cursor->next;
	bpf_loop(FLOWS_AT_A_TIME, flow_next, &telling, 0);
	cursor->next =
	    telling.first + FLOWS_AT_A_TIME < *used ? telling.first + FLOWS_AT_A_TIME : 0;
	return 0;
}

static long reset_one(__u32 slot, void *unused)
{
	struct conn *conn = bpf_map_lookup_elem(&meshaccel_conns, &slot);
	int role;

	if (!conn || state_of(conn) != CONN_SEALED)
		return 0;
	for (role = 0; role < ROLES; role++) {
		const struct conn_end *reader = &conn->ends[role];
		struct isn_pair key = identity_of(&conn->identity, role);

		if (!reader->member)
			continue;
		if (!is_closed(reader) && !redirect_drained(conn, !role))
			doom(conn, slot, role, reason_of(conn));
		if (is_closed(reader) && peek(struct tcp_sock, reader->sk, rcv_nxt) ==
					     peek(struct tcp_sock, reader->sk, copied_seq))
			bpf_map_delete_elem(&meshaccel_members, &key);
	}
	return 0;
}

/* Resets connections that cannot leave because their readers do not read. A closed end leaves with
 * its redirected bytes unless TCP bytes followed them: those would be read in their place. */
SEC("iter/task")
int meshaccel_reset(struct bpf_iter__task *ctx)
{
	const struct config *config = config_get();

	if (!ctx->task && config)
		bpf_loop(config->slots_used, reset_one, NULL, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
