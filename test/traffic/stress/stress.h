/* SPDX-License-Identifier: Apache-2.0 */
/* Makes traffic over many connections and checks every byte of it.
 *
 * A connection is a sequence of steps that the client chooses. Each step begins with a header from
 * the client. Then the client sends `request` bytes and the server `answer` bytes. In a step that
 * takes turns the answer follows the request. In a full-duplex step both are sent at the same time.
 */
#ifndef STRESS_H
#define STRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Limit for the bytes of one send or receive. */
#define MESSAGE_MAX (1 << 20)

enum mode {
	/* A thread for each connection, which blocks in recv. */
	MODE_BLOCKING,
	MODE_WAITALL,
	MODE_SPLICE,
	/* An event loop over all connections, level-triggered or edge-triggered. The latter takes a
	 * short read for the end of the available bytes.
	 */
	MODE_LEVEL,
	MODE_EDGE,
	/* Half of the connections are blocking, half are edge-triggered. */
	MODE_MIXED,
};

/* Sizes are picked so that each order of magnitude is as likely as the others. */
struct range {
	uint32_t min, max;
};

/* How a blocking server reads after SIGUSR2. */
enum turn {
	TURN_NEVER,
	/* Splices the bytes after the header of each message, or all bytes. */
	TURN_BODY,
	TURN_ALL,
	/* MSG_WAITALL for the expected bytes. */
	TURN_WAITALL,
	/* SO_RCVLOWAT of the expected bytes, and poll. */
	TURN_LOWAT,
	/* MSG_PEEK, and FIONREAD until all expected bytes are there. */
	TURN_PEEK,
};

struct options {
	bool client;
	enum mode mode;
	const char *address, *from;
	uint16_t port, ports, from_port;
	uint32_t connections;
	uint64_t seed;
	struct range request, answer, write;
	/* Percentage of full-duplex steps. */
	uint32_t duplex;
	/* Bytes that a client sends and receives on each connection before it ends, as a minimum.
	 */
	uint64_t bytes;
	uint32_t buffer;
	/* How long a blocking client waits after each step, or after each send. */
	uint32_t pause_us;
	bool parts;
	enum turn turn;
	/* User and group of the process; those that started it by default. */
	uint32_t uid, gid;
	bool mptcp, ulp, zerocopy;
};

extern struct options options;

/* The client ends each connection at the end of its step. */
extern atomic_bool stopping;
/* The client sends small messages only and wants no answer. */
extern atomic_bool streaming;

enum step_kind {
	STEP_TURN = 0x7475726e,
	STEP_DUPLEX = 0x6475706c,
	STEP_END = 0x656e6421,
};

struct header {
	uint64_t tag;
	uint32_t kind;
	uint32_t request;
	uint32_t answer;
	uint32_t check;
};

enum outcome {
	OPEN,
	FINISHED,
	FAILED,
};

struct connection {
	int fd;
	bool client, duplex, ending, shut;
	enum mode mode;
	uint64_t tag, random;
	/* Headers under way. */
	struct header out, in;
	size_t out_left, in_have;
	/* Remaining bytes of this step, and of the message that is being sent. */
	uint32_t to_send, to_receive, message_left;
	atomic_ulong sent, received, steps;
	unsigned long paused;
	atomic_int outcome;
	int pipe[2];
	bool want_out;
	/* The connection is in the list of those that may go on sending. */
	bool sends_on;
	struct connection *next_sender;
	/* A receive with MSG_WAITALL returned less than it was asked for. */
	atomic_bool cut_short;
};

/* connection.c: decides what is sent and expected, without I/O. */
void connection_init(struct connection *c, int fd, uint64_t index);
bool connection_sends(const struct connection *c);
size_t connection_fill(struct connection *c, unsigned char *buffer);
void connection_sent(struct connection *c, size_t length);
size_t connection_expects(const struct connection *c);
void connection_received(struct connection *c, const unsigned char *buffer, size_t length);
void connection_eof(struct connection *c);
void connection_fail(struct connection *c, const char *what, int64_t detail);
uint32_t pick(struct connection *c, struct range range);

/* blocking.c, events.c: run connections until they are closed. */
void run_blocking(struct connection *c);
void *run_events(void *unused);
void events_open(void);
void events_add(struct connection *c);

/* report.c */
void report_track(struct connection *c);
void report_error(const char *text);
void report_outcome(void);
bool report_all_done(void);
void report_print(const char *event);

#endif
