// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Measures the connections of enrolled pods: sizes, latencies, and events that are reported at
 * once.
 *
 * The agent loads and attaches this object only while measuring is on. It uses the pinned maps, but
 * its own links are not pinned. So nothing is measured without the agent. It reads the records of
 * the other programs and changes none of them, so their behaviour is the same with and without it.
 *
 * Measuring costs time for each message. So the histograms take samples: they count what begins in
 * some slices of time (in_sample()). All programs agree on the slice, so both ends of a connection
 * measure the same messages. A turn or a read that has begun is measured to its end, however long
 * it takes: samples of slow and of fast requests are equally likely.
 *
 * A send is seen after it has ended. Its answer may have been read before that. So the programs
 * remember in bytes what a receive has covered. A send whose bytes are already answered, or read,
 * starts no measurement.
 */
#include "accounting.bpf.h"
#include "address.bpf.h"
#include "ends.bpf.h"
#include "measure.h"
#include "peek.bpf.h"
#include "proxy.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

/* Programs only pass it on. */
struct msghdr;

/* Measurements of a watched socket. */
struct timing {
	/* When the first send without an answer ended; 0 if all are answered. */
	__u64 turn_ns;
	/* When the oldest unread segment arrived; 0 if all are read. */
	__u64 arrived_ns;
	struct pair pair;
	/* Bytes that had been sent when the last receive ended, modulo 2^32. */
	__u32 answered;
	/* The end's conn at the last look. */
	__u32 conn;
	__u8 role;
	/* From the last send: enum flow_path, enum measured_path. */
	__u8 flow_path;
	__u8 path;
	/* The refusal of the socket was reported. */
	__u8 refused;
	/* `answered` has a value. */
	__u8 counted;
	/* How often the peer was looked up. */
	__u8 looks;
	__u8 pad[2];
};

/* Times of each watched socket; gone with it. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct timing);
} meshaccel_timings SEC(".maps");

/* The groups of ends that have sent or read, by their own sequence numbers. Connections are paired
 * only when they are about to join. A connection that takes TCP has two ends as well. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_CONNS);
	__type(key, struct isn_pair);
	__type(value, __u32);
} meshaccel_met SEC(".maps");

/* A peer on this node appears with the first answer. Any other peer is elsewhere, or not enrolled.
 */
#define MAX_LOOKS 16

/* Bytes that pass between the ends of a paired connection, by slot. Each direction is under its
 * sender. */
struct crossing {
	/* The oldest redirected byte that is unread: its arrival time in units of 2^10 ns, and its
	 * number. One word holds both, since the ends run on different processors. */
	__u64 arrived[ROLES];
};

/* Redirected bytes between the ends of a connection, by slot. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_CONNS);
	__type(key, __u32);
	__type(value, struct crossing);
} meshaccel_crossings SEC(".maps");

/* Histograms by pair of groups. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_PAIRS);
	__type(key, struct pair);
	__type(value, struct measured);
} meshaccel_measured SEC(".maps");

/* The group of each enrolled pod, by netns cookie. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_PODS);
	__type(key, __u64);
	__type(value, __u32);
} meshaccel_groups SEC(".maps");

/* Settings: the agent writes them. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct measure_settings);
} meshaccel_measure SEC(".maps");

/* How many events of each kind were told in this second, by enum event_kind. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, EVENT_KINDS);
	__type(key, __u32);
	__type(value, struct told);
} meshaccel_told SEC(".maps");

/* The pods of a trial. The agent makes the records, and the programs only count in them. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 2 * MAX_PODS);
	__type(key, struct trial_key);
	__type(value, struct trial_sums);
} meshaccel_trial SEC(".maps");

static const struct measured nothing_measured;

static __always_inline const struct measure_settings *settings_get(void)
{
	return bpf_map_lookup_elem(&meshaccel_measure, &zero);
}

/* 4 jiffies are 4 to 40 ms. */
#define SLICE_SHIFT 2

/* Whether this slice of time is measured. The slice's number is mixed, so that no periodic load is
 * always in or always out. Reading the jiffies costs less than a clock. */
static __always_inline bool in_sample(const struct measure_settings *settings)
{
	__u64 slice = bpf_jiffies64() >> SLICE_SHIFT;

	return !(slice * 0x9e3779b97f4a7c15ULL >> 32 & (settings->one_in - 1));
}

static __always_inline __u32 group_of(__u64 netns_cookie)
{
	const __u32 *group = bpf_map_lookup_elem(&meshaccel_groups, &netns_cookie);

	return group ? *group : GROUP_UNKNOWN;
}

static __always_inline struct measured *measured_get(const struct timing *timing,
						     const struct measure_settings *settings)
{
	struct pair pair = timing->pair;
	struct measured *measured;

	if (!settings->histograms)
		return NULL;
	measured = bpf_map_lookup_elem(&meshaccel_measured, &pair);
	if (!measured) {
		bpf_map_update_elem(&meshaccel_measured, &pair, &nothing_measured, BPF_NOEXIST);
		measured = bpf_map_lookup_elem(&meshaccel_measured, &pair);
	}
	if (!measured) {
		pair.groups[ROLE_CLIENT] = pair.groups[ROLE_SERVER] = GROUP_OTHER;
		measured = bpf_map_lookup_elem(&meshaccel_measured, &pair);
	}
	return measured;
}

/* The number of bits of a value, less those of the first bucket's bound. */
static __always_inline __u32 bucket_of(__u64 value, __u32 first_bits, __u32 buckets)
{
	__u64 rest = (value ? value - 1 : 0) >> first_bits;
	__u32 bucket = 0;

	if (rest >> 32)
		return buckets - 1;
	if (rest >> 16) {
		bucket += 16;
		rest >>= 16;
	}
	if (rest >> 8) {
		bucket += 8;
		rest >>= 8;
	}
	if (rest >> 4) {
		bucket += 4;
		rest >>= 4;
	}
	if (rest >> 2) {
		bucket += 2;
		rest >>= 2;
	}
	if (rest >> 1) {
		bucket += 1;
		rest >>= 1;
	}
	bucket += rest;
	return bucket < buckets ? bucket : buckets - 1;
}

static __always_inline void add_time(struct times *times, __u64 ns, __u32 weight)
{
	times->sum_ns += ns * weight;
	times->buckets[bucket_of(ns, TIME_FIRST_BITS, TIME_BUCKETS)] += weight;
}

/* Each power of two has 2^TRIAL_STEP_BITS buckets. The first ones are rarely used. */
static __always_inline __u32 trial_bucket_of(__u64 ns)
{
	__u32 power = bucket_of(ns, TIME_FIRST_BITS, TIME_BUCKETS), step;

	if (!power)
		return 0;
	/* 2^(shift + TRIAL_STEP_BITS) is the power's lower bound. */
	step = ((ns - 1) >> (power - 1 + TIME_FIRST_BITS - TRIAL_STEP_BITS)) &
	       ((1U << TRIAL_STEP_BITS) - 1);
	power = ((power - 1) << TRIAL_STEP_BITS) + step;
	return power < TRIAL_BUCKETS ? power : TRIAL_BUCKETS - 1;
}

static __always_inline void add_size(struct sizes *sizes, __u32 bytes, __u32 weight)
{
	sizes->sum_bytes += (__u64)bytes * weight;
	sizes->buckets[bucket_of(bytes, SIZE_FIRST_BITS, SIZE_BUCKETS)] += weight;
}

/* The record of the socket's pod, if the pod is in a trial. */
static __always_inline struct trial_sums *trial_get(const struct tcp_sock *tp,
						    const struct end *end,
						    const struct measure_settings *settings)
{
	struct trial_key key = {.netns_cookie = end->netns_cookie};

	if (!settings->trial)
		return NULL;
	key.is_proxy = is_proxy(tp, end);
	return bpf_map_lookup_elem(&meshaccel_trial, &key);
}

/* Reports an event of a socket, unless there were too many of its kind within this second. */
static __noinline int tell_flow(struct sock *sk, const struct timing *timing, __u32 kind,
				__u32 reason, __u64 duration_ns)
{
	struct flow_event flow = {.duration_ns = duration_ns, .ended_ns = bpf_ktime_get_ns()};
	struct told *told = bpf_map_lookup_elem(&meshaccel_told, &kind);
	const struct end *end;
	struct conn *conn;

	if (!sk || !timing || !told)
		return 0;
	end = bpf_sk_storage_get(&meshaccel_ends, sk, NULL, 0);
	if (!end)
		return 0;
	if (flow.ended_ns - told->since_ns > SEC_NS) {
		told->since_ns = flow.ended_ns;
		told->told = 0;
	}
	if (__sync_fetch_and_add(&told->told, 1) >= EVENTS_PER_SECOND) {
		__sync_fetch_and_add(&told->dropped, 1);
		return 0;
	}
	flow.event.netns_cookie = end->netns_cookie;
	flow.event.kind = kind;
	flow.event.reason = reason;
	flow.event.tgid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(flow.event.comm, sizeof(flow.event.comm));
	conn = conn_of(end);
	if (conn)
		flow.peer_cookie = conn->ends[!(end->role & 1)].netns_cookie;
	put_addresses(&flow, sk);
	flow.role = end->role;
	/* A fallback is reported before the path of its send is noted. */
	flow.path = kind == EVENT_FALLBACK ? MEASURED_TCP : timing->path;
	if (bpf_ringbuf_output(&meshaccel_events, &flow, sizeof(flow), 0))
		__sync_fetch_and_add(&told->dropped, 1);
	return 0;
}

/* The record of a watched socket. The first call makes it. */
static __always_inline struct timing *timing_of(struct sock *sk, const struct end *end)
{
	struct timing *timing = bpf_sk_storage_get(&meshaccel_timings, sk, NULL, 0);

	if (timing)
		return timing;
	timing = bpf_sk_storage_get(&meshaccel_timings, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (timing)
		timing->role = end->role & 1;
	return timing;
}

static __always_inline __u32 look_for_peer(struct timing *timing, const struct end *end)
{
	struct isn_pair peer = {.own = end->key.peer, .peer = end->key.own};
	const __u32 *group = bpf_map_lookup_elem(&meshaccel_met, &peer);

	timing->looks++;
	return group ? *group : GROUP_UNKNOWN;
}

/* Fills in the groups of the connection as far as they are known by now. */
static __always_inline struct crossing *meet(struct timing *timing, const struct end *end,
					     const struct conn *conn)
{
	__u32 role = end->role & 1, slot = end->conn - 1;
	struct crossing *crossing;

	if (!timing->pair.groups[role]) {
		struct isn_pair own = end->key;
		__u32 group = group_of(end->netns_cookie);

		timing->pair.groups[role] = group;
		if (group)
			bpf_map_update_elem(&meshaccel_met, &own, &group, BPF_ANY);
	}
	if (!timing->pair.groups[!role]) {
		if (conn)
			timing->pair.groups[!role] = group_of(conn->ends[!role].netns_cookie);
		else if (timing->looks < MAX_LOOKS)
			timing->pair.groups[!role] = look_for_peer(timing, end);
	}
	if (!conn)
		return NULL;
	crossing = bpf_map_lookup_elem(&meshaccel_crossings, &slot);
	if (crossing && timing->conn != end->conn) {
		/* Clears what the previous connection has left in the slot. */
		timing->conn = end->conn;
		crossing->arrived[role] = 0;
	}
	return crossing;
}

static __always_inline void tell_changes(struct sock *sk, struct timing *timing,
					 const struct end *end, const struct direction *direction)
{
	if (end->barred && !timing->refused) {
		timing->refused = 1;
		tell_flow(sk, timing, EVENT_REFUSED, end->barred, 0);
	}
	if (direction && timing->flow_path == PATH_REDIRECT && direction->path != PATH_REDIRECT)
		tell_flow(sk, timing, EVENT_FALLBACK, direction->reason, 0);
}

/* Redirected bytes that the other end has read, modulo 2^32. */
static __always_inline __u32 read_by(const struct conn_end *reader)
{
	return received_beyond_tcp(peek_end(reader->end, received),
				   peek(struct tcp_sock, reader->sk, copied_seq),
				   peek_end(reader->end, base));
}

/* Notes the arrival of redirected bytes, if none before them is unread. */
static __always_inline void note_arrival(struct crossing *crossing, const struct conn *conn,
					 __u32 role, __u32 size, struct measured *measured,
					 __u32 weight)
{
	__u32 sent = conn->directions[role].sent, first = sent - size;
	__u64 arrived = *(volatile __u64 *)&crossing->arrived[role];
	__u32 read = read_by(&conn->ends[!role]);

	if ((__s32)(sent - read) <= 0) {
		if (measured)
			add_time(&measured->directions[role].read_delays[MEASURED_REDIRECT], 0,
				 weight);
		return;
	}
	if (arrived && (__s32)((__u32)arrived - read) >= 0 && (__s32)((__u32)arrived - first) < 0)
		return;
	if ((__s32)(read - first) > 0)
		first = read;
	*(volatile __u64 *)&crossing->arrived[role] = bpf_ktime_get_ns() >> 10 << 32 | first;
}

/* Whether a client's send, which has just ended at byte `out`, is the first one without an answer.
 * A redirected send was counted by the verdict (is_stream()). */
static __always_inline bool begins_turn(const struct timing *timing, const struct end *end,
					const struct direction *direction, __u32 out)
{
	if (direction && timing->path == MEASURED_REDIRECT)
		return direction->run_messages == 1 && direction->run_received == end->received;
	return (__s32)(out - timing->answered) > 0;
}

/* Runs after each send, sendmsg, write, writev, sendfile and their io_uring counterparts. */
static __always_inline int sent(struct sock *sk, int ret)
{
	const struct measure_settings *settings;
	struct direction *direction = NULL;
	struct crossing *crossing;
	struct measured *measured;
	const struct tcp_sock *tp;
	struct trial_sums *trial;
	struct timing *timing;
	struct conn *conn;
	struct end *end;
	__u32 role, out;

	if (ret <= 0 || !sk->sk_bpf_storage)
		return 0;
	settings = settings_get();
	if (!settings || !in_sample(settings))
		return 0;
	end = bpf_sk_storage_get(&meshaccel_ends, sk, NULL, 0);
	tp = bpf_skc_to_tcp_sock(sk);
	if (!end || !tp)
		return 0;
	timing = timing_of(sk, end);
	if (!timing)
		return 0;
	role = end->role & 1;
	conn = conn_of(end);
	crossing = meet(timing, end, conn);
	if (conn)
		direction = &conn->directions[role];

	if (settings->changes)
		tell_changes(sk, timing, end, direction);
	timing->flow_path = direction ? direction->path : PATH_TCP;
	timing->path = timing->flow_path == PATH_REDIRECT ? MEASURED_REDIRECT : MEASURED_TCP;

	measured = measured_get(timing, settings);
	if (measured)
		add_size(&measured->directions[role].sent[timing->path & 1], ret, settings->one_in);
	trial = trial_get(tp, end, settings);
	if (trial)
		trial->sent_bytes[timing->path & 1] += ret;

	out = tp->write_seq + (direction ? direction->sent : 0);
	if (!timing->counted) {
		timing->counted = 1;
		timing->answered = out - ret;
	}
	if (role == ROLE_CLIENT && !timing->turn_ns && begins_turn(timing, end, direction, out))
		timing->turn_ns = bpf_ktime_get_ns();
	if (crossing && direction && timing->path == MEASURED_REDIRECT)
		note_arrival(crossing, conn, role, ret, measured, settings->one_in);
	return 0;
}

/* Since Linux 6.3. */
SEC("tp_btf/sock_send_length")
int BPF_PROG(meshaccel_sent, struct sock *sk, int ret, int flags)
{
	return sent(sk, ret);
}

/* The same on kernels without that tracepoint. They send the pages of sendfile by a function of
 * its own. */
SEC("?fexit/inet_sendmsg")
int BPF_PROG(meshaccel_sent_v4, struct socket *socket, struct msghdr *message, size_t size, int ret)
{
	return sent(socket->sk, ret);
}

SEC("?fexit/inet6_sendmsg")
int BPF_PROG(meshaccel_sent_v6, struct socket *socket, struct msghdr *message, size_t size, int ret)
{
	return sent(socket->sk, ret);
}

SEC("?fexit/inet_sendpage")
int BPF_PROG(meshaccel_sent_page, struct socket *socket, struct page *page, int offset, size_t size,
	     int flags, ssize_t ret)
{
	return sent(socket->sk, ret);
}

/* Takes a sample if the oldest redirected byte that was noted is among the `ret` bytes just read.
 */
static __always_inline void read_redirected(struct sock *sk, struct timing *timing,
					    const struct end *end, const struct tcp_sock *tp,
					    struct crossing *crossing, struct measured *measured,
					    const struct measure_settings *settings, __u32 ret,
					    __u32 uncounted)
{
	__u32 sender = !(end->role & 1);
	__u32 received = end->received + uncounted;
	__u32 read = received_beyond_tcp(received, tp->copied_seq, end->base);
	__u64 arrived = *(volatile __u64 *)&crossing->arrived[sender], delay_ns;

	if (!arrived || (__s32)(read - (__u32)arrived) <= 0)
		return;
	crossing->arrived[sender] = 0;
	/* The sender noted the byte only after it had been read. */
	if ((__s32)((__u32)arrived - (read - ret)) < 0)
		return;
	delay_ns = (__u64)((__u32)(bpf_ktime_get_ns() >> 10) - (__u32)(arrived >> 32)) << 10;
	if (measured)
		add_time(&measured->directions[sender].read_delays[MEASURED_REDIRECT], delay_ns,
			 settings->one_in);
	if (settings->slow_read_ns && delay_ns >= settings->slow_read_ns) {
		timing->path = MEASURED_REDIRECT;
		tell_flow(sk, timing, EVENT_SLOW_READ, REASON_NONE, delay_ns);
	}
}

/* The first byte of the answer ends the client's turn. */
static __always_inline void answer(struct sock *sk, struct timing *timing,
				   const struct tcp_sock *tp, const struct end *end,
				   struct measured *measured,
				   const struct measure_settings *settings)
{
	struct trial_sums *trial;
	__u64 duration_ns;

	if (!timing->turn_ns)
		return;
	duration_ns = bpf_ktime_get_ns() - timing->turn_ns;
	timing->turn_ns = 0;
	if (measured)
		add_time(&measured->requests[timing->path & 1], duration_ns, settings->one_in);
	trial = trial_get(tp, end, settings);
	if (trial)
		trial->requests[trial_bucket_of(duration_ns)]++;
	if (settings->slow_request_ns && duration_ns >= settings->slow_request_ns)
		tell_flow(sk, timing, EVENT_SLOW_REQUEST, REASON_NONE, duration_ns);
}

/* Whether a receive ends something that was begun in a sample. */
static __always_inline bool ends_sample(const struct timing *timing)
{
	const struct crossing *crossing;
	__u32 slot = timing->conn - 1;

	if (timing->turn_ns)
		return true;
	crossing = timing->conn ? bpf_map_lookup_elem(&meshaccel_crossings, &slot) : NULL;
	return crossing && crossing->arrived[!(timing->role & 1)];
}

/* The client has read an answer. Its next send begins a turn. */
static __always_inline void note_answered(struct timing *timing, const struct tcp_sock *tp,
					  const struct conn *conn)
{
	timing->answered = tp->write_seq + (conn ? conn->directions[ROLE_CLIENT].sent : 0);
	timing->counted = 1;
}

/* `uncounted` is how many of the received bytes end->received lacks as yet. */
static __always_inline int answered(struct sock *sk, int ret, int flags, __u32 uncounted)
{
	const struct measure_settings *settings;
	struct crossing *crossing;
	struct measured *measured;
	const struct tcp_sock *tp;
	struct timing *timing;
	struct conn *conn;
	struct end *end;
	bool samples;

	if (ret <= 0 || flags & (MSG_PEEK | MSG_ERRQUEUE) || !sk->sk_bpf_storage)
		return 0;
	settings = settings_get();
	if (!settings)
		return 0;
	samples = in_sample(settings);
	timing = bpf_sk_storage_get(&meshaccel_timings, sk, NULL, 0);
	if (timing && !samples)
		samples = ends_sample(timing);
	/* Otherwise only a client on TCP has something to note (begins_turn()). */
	if (!samples &&
	    (!timing || timing->role != ROLE_CLIENT || timing->path == MEASURED_REDIRECT))
		return 0;
	end = bpf_sk_storage_get(&meshaccel_ends, sk, NULL, 0);
	tp = bpf_skc_to_tcp_sock(sk);
	if (!end || !tp)
		return 0;
	conn = conn_of(end);
	if (!samples) {
		note_answered(timing, tp, conn);
		return 0;
	}
	if (!timing)
		timing = timing_of(sk, end);
	if (!timing)
		return 0;
	crossing = meet(timing, end, conn);
	if (settings->changes)
		tell_changes(sk, timing, end, NULL);
	measured = measured_get(timing, settings);
	if (end->role == ROLE_CLIENT) {
		answer(sk, timing, tp, end, measured, settings);
		note_answered(timing, tp, conn);
	}
	if (crossing)
		read_redirected(sk, timing, end, tp, crossing, measured, settings, ret, uncounted);
	return 0;
}

/* Attached after meshaccel_received, so it runs after it: the receive has been counted. */
SEC("tp_btf/sock_recv_length")
int BPF_PROG(meshaccel_answered, struct sock *sk, int ret, int flags)
{
	return answered(sk, ret, flags, 0);
}

/* The same on kernels without that tracepoint. A trampoline runs the program that was attached last
 * first (bpf_trampoline_link_prog()). So the receive has not been counted. */
SEC("?fexit/inet_recvmsg")
int BPF_PROG(meshaccel_answered_v4, struct socket *socket, struct msghdr *message, size_t size,
	     int flags, int ret)
{
	return answered(socket->sk, ret, flags, ret > 0 ? ret : 0);
}

SEC("?fexit/inet6_recvmsg")
int BPF_PROG(meshaccel_answered_v6, struct socket *socket, struct msghdr *message, size_t size,
	     int flags, int ret)
{
	return answered(socket->sk, ret, flags, ret > 0 ? ret : 0);
}

/* A segment has arrived. Runs under the socket's lock, as the receive does. */
SEC("tp_btf/tcp_probe")
int BPF_PROG(meshaccel_arrived, struct sock *sk, const struct sk_buff *skb)
{
	const struct tcp_skb_cb *segment = (void *)skb->cb;
	const struct measure_settings *settings;
	const struct tcp_sock *tp;
	struct timing *timing;
	struct end *end;
	__u32 seq, end_seq;

	if (!sk->sk_bpf_storage)
		return 0;
	settings = settings_get();
	if (!settings || !in_sample(settings))
		return 0;
	end = bpf_sk_storage_get(&meshaccel_ends, sk, NULL, 0);
	tp = bpf_skc_to_tcp_sock(sk);
	if (!end || !tp || tp->rcv_nxt != tp->copied_seq)
		return 0;
	seq = BPF_CORE_READ(segment, seq);
	end_seq = BPF_CORE_READ(segment, end_seq);
	if (seq != tp->rcv_nxt || seq == end_seq)
		return 0;
	timing = timing_of(sk, end);
	if (timing)
		timing->arrived_ns = bpf_ktime_get_ns();
	return 0;
}

/* A reader has taken bytes from the TCP queue, splice included. */
SEC("tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(meshaccel_read, struct sock *sk)
{
	const struct measure_settings *settings;
	struct measured *measured;
	struct timing *timing;
	__u64 delay_ns;

	if (!sk->sk_bpf_storage)
		return 0;
	timing = bpf_sk_storage_get(&meshaccel_timings, sk, NULL, 0);
	settings = settings_get();
	if (!timing || !settings || !timing->arrived_ns)
		return 0;
	delay_ns = bpf_ktime_get_ns() - timing->arrived_ns;
	timing->arrived_ns = 0;
	measured = measured_get(timing, settings);
	if (measured)
		add_time(&measured->directions[!(timing->role & 1)].read_delays[MEASURED_TCP],
			 delay_ns, settings->one_in);
	if (settings->slow_read_ns && delay_ns >= settings->slow_read_ns) {
		timing->path = MEASURED_TCP;
		tell_flow(sk, timing, EVENT_SLOW_READ, REASON_NONE, delay_ns);
	}
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
