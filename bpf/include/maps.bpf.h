/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Defines every map once. The maps are weak, so that the static linker merges the definitions of
 * all objects into one.
 */
#ifndef MESHACCEL_MAPS_BPF_H
#define MESHACCEL_MAPS_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "meshaccel.h"

/* The members. Key: the socket's own struct isn_pair. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, ROLES *MAX_CONNS);
	__type(key, struct isn_pair);
	__type(value, __u64);
} meshaccel_members __weak SEC(".maps");

/* The same by address of struct sock, for programs that have nothing else. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ROLES *MAX_CONNS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct member);
} meshaccel_sockets __weak SEC(".maps");

/* Programs that are kept off the fast path, and since when. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_QUARANTINED);
	__type(key, struct program);
	__type(value, struct quarantine);
} meshaccel_quarantine __weak SEC(".maps");

/* struct event, for the agent. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, EVENTS_BYTES);
} meshaccel_events __weak SEC(".maps");

/* Every watched socket. The kernel frees a record together with its socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct end);
} meshaccel_ends __weak SEC(".maps");

/* The same sockets in a table. Some kernels refuse iterators over the sockets of a storage map, and
 * over the elements of any map. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_WATCHED);
	__type(key, __u32);
	__type(value, struct watched);
} meshaccel_watched __weak SEC(".maps");

/* Records of the table that were returned. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, MAX_WATCHED);
	__type(value, __u32);
} meshaccel_spare __weak SEC(".maps");

/* How many records of the table were ever taken. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} meshaccel_watched_used __weak SEC(".maps");

/* How far the walk over a long table has come. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cursor);
} meshaccel_cursor __weak SEC(".maps");

/* The ends that are worth joining, one bit for each index in watched. The next scan names their
 * namespaces for a visit. A hash map would cost each scan milliseconds, because a walk over it
 * looks at every bucket. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct wanted);
} meshaccel_wanted __weak SEC(".maps");

/* Identities that at least one end claims. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ROLES *MAX_CONNS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct isn_pair);
	__type(value, struct claim);
} meshaccel_identities __weak SEC(".maps");

/* struct due_claim in the order in which they were made. Each claim is in here once. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, ROLES *MAX_CONNS);
	__type(value, struct due_claim);
} meshaccel_due __weak SEC(".maps");

/* Paired connections, by slot. Mappable, because that aligns the values to cache lines. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MAX_CONNS);
	__type(key, __u32);
	__type(value, struct conn);
} meshaccel_conns __weak SEC(".maps");

/* The slots of conns that were returned. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, MAX_CONNS);
	__type(value, __u32);
} meshaccel_free __weak SEC(".maps");

/* Slots that the scan visits until they are settled. Each slot is in here once at most
 * (conn.attention).
 */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, MAX_CONNS);
	__type(value, __u32);
} meshaccel_attention __weak SEC(".maps");

/* Results of the two passes over older connections: an end's key under each role that it may have.
 */
struct sighting {
	struct isn_pair identity;
	__u32 role;
};

struct seen {
	/* struct sock; 0 when more than one claims to be this end. */
	__u64 sk;
	/* The namespace of a socket that is not watched yet; 0 for a watched socket. */
	__u64 waits_in;
};

/* Ends of older connections that a walk has seen, under each role they may have had. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4 * MAX_CONNS);
	__type(key, struct sighting);
	__type(value, struct seen);
} meshaccel_sightings __weak SEC(".maps");

/* Enrolled pods by netns cookie. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_PODS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct pod);
} meshaccel_pods __weak SEC(".maps");

/* Settings: the agent writes them, every program reads them. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct config);
} meshaccel_config __weak SEC(".maps");

/* Totals since the programs were loaded. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counters);
} meshaccel_counters __weak SEC(".maps");

/* Connections by state, as the last survey found them. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct gauge);
} meshaccel_gauge __weak SEC(".maps");

/* Two processors share these without a lock. Every access is a single load or store of the machine.
 * An atomic operation that returns the old value separates two accesses whose order matters. The
 * kernel orders only such operations on every architecture. */

/* An atomic add that is a full barrier. It uses the old value: without that, clang makes an
 * operation that orders nothing on arm64. */
#define add_ordered(address, value)                                                                \
	({                                                                                         \
		typeof(*(address)) old = __sync_fetch_and_add(address, value);                     \
		asm volatile("" ::"r"(old));                                                       \
	})

/* Makes the loads before it before the loads after it. x86 keeps that order by itself. Elsewhere an
 * atomic operation that returns the old value is a full barrier. Load-acquire came with Linux 6.15.
 * `word` is any word that this CPU writes anyway. */
#ifdef __TARGET_ARCH_x86
#define load_fence(word) barrier()
#else
#define load_fence(word) add_ordered(word, 0)
#endif

#define READ_ONCE(field)	 (*(volatile typeof(field) *)&(field))
#define WRITE_ONCE(field, value) (*(volatile typeof(field) *)&(field) = (value))

static const __u32 zero = 0;

static __always_inline struct config *config_get(void)
{
	return bpf_map_lookup_elem(&meshaccel_config, &zero);
}

/* Whether the agent has not scanned for this long. */
static __always_inline bool no_scan_for(const struct config *config, __u64 ns)
{
	return (__s64)(bpf_ktime_get_coarse_ns() - config->heartbeat_ns) > (__s64)ns;
}

static __always_inline struct counters *counters_get(void)
{
	return bpf_map_lookup_elem(&meshaccel_counters, &zero);
}

static __always_inline void count(__u32 reason)
{
	struct counters *counters = counters_get();

	/* The verifier has to see the bound on the register that serves as the index. */
	barrier_var(reason);
	if (counters && reason < REASONS)
		counters->reasons[reason]++;
}

/* The conn of a paired end. A socket may outlive its connection and read on while another
 * connection has the slot. */
static __always_inline struct conn *conn_of(const struct end *end)
{
	__u32 slot = end->conn - 1;
	struct conn *conn = end->conn ? bpf_map_lookup_elem(&meshaccel_conns, &slot) : NULL;

	return conn && conn->ends[end->role & 1].cookie == end->cookie ? conn : NULL;
}

static __always_inline bool pod_enabled(__u64 netns_cookie)
{
	const struct pod *pod = bpf_map_lookup_elem(&meshaccel_pods, &netns_cookie);

	return pod && pod->enabled;
}

/* Whether a program has seen the end's socket close. */
static __always_inline bool is_closed(const struct conn_end *end)
{
	return READ_ONCE(end->closed) == end->cookie;
}

static __always_inline bool both_closed(const struct conn *conn)
{
	return is_closed(&conn->ends[ROLE_CLIENT]) && is_closed(&conn->ends[ROLE_SERVER]);
}

/* If the ring is full, the agent learns of it later from the other maps. */
static __always_inline void tell(const struct event *event)
{
	bpf_ringbuf_output(&meshaccel_events, (void *)event, sizeof(*event), 0);
}

#endif
