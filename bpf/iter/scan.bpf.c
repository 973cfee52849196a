// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* The scan moves connections from state to state. The agent reads this iterator up to about twenty
 * times a second. Scans and visits (bpf/tc/visit.bpf.c) never overlap. bpf/include/conn.bpf.h has
 * the states. Each topic has a header of its own:
 *
 *	scan/pair.bpf.h		claims, and the slots of connections
 *	scan/join.bpf.h		entering the sockhash
 *	scan/leave.bpf.h	leaving it
 *	scan/tend.bpf.h		one step of a connection that requested attention
 *	scan/stuck.bpf.h	the sweep: finds what no program reports
 *
 * The scan is an iterator over tasks and looks at no task. The kernel calls it once more at the
 * end, and gives it a file to write to. Some kernels refuse iterators over maps.
 *
 * Output, u64 each: the netns cookie of each namespace to walk over (kick). SETTINGS_ONLY marks
 * walks that may wait. VISIT marks namespaces whose wanted ends are to be visited instead. SOON
 * means that the scan has more to do soon. WATCH means that the splice watch is needed.
 */
#include "scan/stuck.bpf.h"
#include "scan/tend.bpf.h"

#define SOON  0ULL
#define WATCH (~1ULL)
#define VISIT (1ULL << 62)

/* The kernel drops all output of a run that overflows the buffer of 32 KiB. Each slot writes two
 * words at most. */
#define OUTPUT_MAX	  (24 * 1024)
#define VISITS_OUTPUT_MAX (8 * 1024)

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
		/* This is the first slot that this scan has put back, so all slots have been seen.
		 */
		__sync_lock_test_and_set(&conn->attention, 0);
		attend(conn, slot);
		return 1;
	}
	conn->scanned = config->scan;
	/* The next scan sees any request from here on. The exchange orders this write before the
	 * look at the reason for the request: see attend(). */
	__sync_lock_test_and_set(&conn->attention, 0);
	if (tend(pass, conn, slot)) {
		attend(conn, slot);
		pass->busy = 1;
	}
	return 0;
}

struct telling {
	struct pass *pass;
	__u64 last;
	__u32 next;
	__u32 used;
};

/* Looks at one wanted end, or skips to the next. May write a namespace twice. The agent removes
 * duplicates. */
static long tell_next(__u32 step, struct telling *telling)
{
	__u32 index = telling->next, distance;
	struct pass *pass = telling->pass;
	const struct watched *watched;
	bool is_patient;
	__u64 visit;

	if (index >= telling->used)
		return 1;
	distance = until_wanted(index);
	telling->next += distance ?: 1;
	if (distance)
		return 0;
	watched = bpf_map_lookup_elem(&meshaccel_watched, &index);
	if (!watched || !watched->cookie) {
		unwant_index(index);
		return 0;
	}
	/* The peer of a patient end may be on another node. If it is here, it pairs with this end
	 * once its reader is proven. */
	is_patient = peek_end(watched->end, patient) && !peek_end(watched->end, conn);
	if (!is_patient)
		pass->busy = 1;
	/* The splice watch is attached before the first connection joins. */
	pass->watch = 1;
	if (is_patient && pass->config->scan % PATIENT_SCANS)
		return 0;
	visit = watched->netns_cookie | VISIT;
	if (visit == telling->last)
		return 0;
	telling->last = visit;
	bpf_seq_write(pass->seq, &visit, sizeof(visit));
	return pass->seq->count > VISITS_OUTPUT_MAX;
}

static __always_inline void tell_wanted(struct pass *pass)
{
	const __u32 *used = watched_used();
	struct telling telling = {.pass = pass, .used = used ? *used : 0};

	bpf_loop(MAX_WATCHED, tell_next, &telling, 0);
}

SEC("iter/task")
int meshaccel_scan(struct bpf_iter__task *ctx)
{
	const __u64 soon = SOON, watch = WATCH;
	struct config *config = config_get();
	struct pass pass = {.seq = ctx->meta->seq, .config = config};

	if (ctx->task || !config)
		return 0;
	tell_wanted(&pass);
	config->scan++;
	if (bpf_ktime_get_ns() - config->swept_ns > SWEEP_NS) {
		config->swept_ns = bpf_ktime_get_ns();
		config->sweep++;
		bpf_loop(config->slots_used, sweep, &pass, 0);
		bpf_loop(ROLES * MAX_CONNS, give_up_claim, NULL, 0);
		sweep_a_part(config);
	}
	bpf_loop(MAX_CONNS, tend_next, &pass, 0);
	config->heartbeat_ns = bpf_ktime_get_ns();
	if (pass.busy)
		bpf_seq_write(ctx->meta->seq, &soon, sizeof(soon));
	if (pass.watch)
		bpf_seq_write(ctx->meta->seq, &watch, sizeof(watch));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
