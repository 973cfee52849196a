/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Shared by the measuring programs and the agent. `npm run generate` writes
 * src/datapath/measure/generated.ts from it. */
#ifndef MESHACCEL_MEASURE_H
#define MESHACCEL_MEASURE_H

#include "meshaccel.h"

/* Pairs of groups with counters of their own. All other pairs share one. */
#define MAX_PAIRS 1024
/* Events of each kind that are reported per second. The others are only counted. */
#define EVENTS_PER_SECOND 100

/* Buckets by powers of two, the upper bound included. The last one has no upper bound. Times go
 * from 2^10 to 2^34 ns (1 us to 17 s), sizes from 2^6 to 2^20 bytes. */
enum histogram {
	TIME_BUCKETS = 26,
	TIME_FIRST_BITS = 10,
	SIZE_BUCKETS = 16,
	SIZE_FIRST_BITS = 6,
	/* Times of a trial, from 2^10 ns on: each power of two has 16 buckets of one width. */
	TRIAL_STEP_BITS = 4,
	TRIAL_BUCKETS = 24 << TRIAL_STEP_BITS,
};

/* Pods are measured in groups that the agent numbers: each is a namespace or a single pod. */
enum group {
	GROUP_UNKNOWN = 0,
	/* Both groups of a pair for which the map had no room. */
	GROUP_OTHER = 0xffffffff,
};

enum measured_path {
	MEASURED_TCP,
	MEASURED_REDIRECT,
	MEASURED_PATHS,
};

struct times {
	__u64 sum_ns;
	__u64 buckets[TIME_BUCKETS];
};

struct sizes {
	__u64 sum_bytes;
	__u64 buckets[SIZE_BUCKETS];
};

/* Bytes and times for one direction: sent by the ends of one role to the others. */
struct measured_direction {
	struct sizes sent[MEASURED_PATHS];
	/* Time from the arrival of the oldest unread byte to its receive. */
	struct times read_delays[MEASURED_PATHS];
};

struct measured {
	struct measured_direction directions[ROLES];
	/* Time from a client's first send without an answer to its next receive. */
	struct times requests[MEASURED_PATHS];
};

/* The groups of client and server. */
struct pair {
	__u32 groups[ROLES];
};

/* Pods of a trial are measured more finely. Each has two records: for its programs, and for its
 * proxy. */
struct trial_key {
	__u64 netns_cookie;
	/* Whether the pod's sidecar opened or accepted the sockets. */
	__u32 is_proxy;
	__u32 pad;
};

struct trial_sums {
	/* Bytes sent, by enum measured_path. */
	__u64 sent_bytes[MEASURED_PATHS];
	/* Requests that the pod made as a client, by their time. */
	__u64 requests[TRIAL_BUCKETS];
};

struct measure_settings {
	/* Durations from this value on are reported; 0 reports none. */
	__u64 slow_read_ns;
	__u64 slow_request_ns;
	/* Whether struct measured is kept. */
	__u32 histograms;
	/* Whether fallbacks and refused sockets are reported. */
	__u32 changes;
	/* Whether there is a trial. */
	__u32 trial;
	/* One slice of time in this many is measured, a power of two. Each count and sum is
	 * multiplied by it, so they estimate the whole. 1 measures everything, which events and a
	 * trial need. */
	__u32 one_in;
};

/* Events of one kind that were reported in the second that began then, and all that ever were
 * dropped. */
struct told {
	__u64 since_ns;
	__u64 dropped;
	__u32 told;
	__u32 pad;
};

/* An event with its connection, as seen by the end that it concerns. */
struct flow_event {
	struct event event;
	__u64 peer_cookie;
	/* bpf_ktime_get_ns() at its end, and its duration. */
	__u64 ended_ns;
	__u64 duration_ns;
	__u8 local_address[16];
	__u8 remote_address[16];
	__u16 local_port;
	__u16 remote_port;
	__u16 family;
	__u8 role;
	/* enum measured_path */
	__u8 path;
};

_Static_assert(sizeof(struct measured) == 1840, "layout");
_Static_assert(sizeof(struct trial_key) == 16, "layout");
_Static_assert(sizeof(struct trial_sums) == 3088, "layout");
_Static_assert(sizeof(struct measure_settings) == 32, "layout");
_Static_assert(sizeof(struct told) == 24, "layout");
_Static_assert(sizeof(struct flow_event) == 104, "layout");

#endif
