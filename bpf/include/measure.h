/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What the measuring programs and the agent share. `npm run generate` writes
 * src/datapath/measure/generated.ts from it. */
#ifndef MESHACCEL_MEASURE_H
#define MESHACCEL_MEASURE_H

#include "meshaccel.h"

/* Pairs of groups that are told apart; the others are counted as one. */
#define MAX_PAIRS 1024
/* Of each kind of event, told per second; the others are counted. */
#define EVENTS_PER_SECOND 100

/* Buckets by powers of two, the upper bound included; the last one has none. Times from 2^10 to
 * 2^34 ns (1 us to 17 s), sizes from 2^6 to 2^20 bytes. */
enum histogram {
	TIME_BUCKETS = 26,
	TIME_FIRST_BITS = 10,
	SIZE_BUCKETS = 16,
	SIZE_FIRST_BITS = 6,
};

/* Pods are measured in groups, a namespace or a single pod each; numbered by the agent. */
enum group {
	GROUP_UNKNOWN = 0,
	/* Both groups of a pair that there was no room for. */
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

/* What the ends of one role have sent to the others. */
struct measured_direction {
	struct sizes sent[MEASURED_PATHS];
	/* From the arrival of the oldest unread byte to its receive. */
	struct times read_delays[MEASURED_PATHS];
};

struct measured {
	struct measured_direction directions[ROLES];
	/* From a client's first send without an answer to its next receive. */
	struct times requests[MEASURED_PATHS];
};

/* The groups of client and server. */
struct pair {
	__u32 groups[ROLES];
};

struct measure_settings {
	/* What is told from this long on; 0 is nothing. */
	__u64 slow_read_ns;
	__u64 slow_request_ns;
	/* Whether struct measured is kept. */
	__u32 histograms;
	/* Whether fallbacks and refused sockets are told. */
	__u32 changes;
};

/* What was told of one kind of event in the second that began then, and what was not, ever. */
struct told {
	__u64 since_ns;
	__u64 dropped;
	__u32 told;
	__u32 pad;
};

/* An event with its connection, as the end sees it that it happened to. */
struct flow_event {
	struct event event;
	__u64 peer_cookie;
	/* bpf_ktime_get_ns() at its end, and how long it took. */
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
_Static_assert(sizeof(struct measure_settings) == 24, "layout");
_Static_assert(sizeof(struct told) == 24, "layout");
_Static_assert(sizeof(struct flow_event) == 104, "layout");

#endif
