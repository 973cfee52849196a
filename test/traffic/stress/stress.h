/* SPDX-License-Identifier: Apache-2.0 */
/* Makes traffic over many connections and checks every byte of it.
 *
 * A connection is a sequence of steps that the client chooses. Each begins with a header from the
 * client, then the client sends `request` bytes and the server `answer` bytes: after the request in
 * a step that takes turns, at the same time in one that is full-duplex.
 */
#ifndef STRESS_H
#define STRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most that one send or receive moves. */
#define MESSAGE_MAX (1 << 20)

enum mode {
	/* A thread for each connection that blocks in recv. */
	MODE_BLOCKING,
	MODE_WAITALL,
	MODE_SPLICE,
	/* An event loop over all connections, by level or by edge. The latter takes a short read
	 * for the end of what there is.
	 */
	MODE_LEVEL,
	MODE_EDGE,
	/* Half of the connections blocking, half by edge. */
	MODE_MIXED,
};

/* Sizes are picked so that each order of magnitude is as likely as the others. */
struct range {
	uint32_t min, max;
};

/* What a blocking server turns to after SIGUSR2. */
enum turn {
	TURN_NEVER,
	/* Splice, of what follows the header of each message; or of all. */
	TURN_BODY,
	TURN_ALL,
	/* MSG_WAITALL for what is to come. */
	TURN_WAITALL,
	/* SO_RCVLOWAT of what is to come, and poll. */
	TURN_LOWAT,
	/* MSG_PEEK, and FIONREAD until all is there that is to come. */
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
	/* Of a hundred steps, so many are full-duplex. */
	uint32_t duplex;
	/* What a client sends and receives at least on each connection before it ends. */
	uint64_t bytes;
	uint32_t buffer;
	/* A blocking client waits that long after each step; or after each send. */
	uint32_t pause_us;
	bool parts;
	enum turn turn;
	/* The user and the group it runs as, if not those that started it. */
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
	/* What is left of this step, and of the message being sent. */
	uint32_t to_send, to_receive, message_left;
	atomic_ulong sent, received, steps;
	unsigned long paused;
	atomic_int outcome;
	int pipe[2];
	bool want_out;
	/* In the list of those that may go on sending. */
	bool sends_on;
	struct connection *next_sender;
	/* A receive with MSG_WAITALL returned less than it was to wait for. */
	atomic_bool cut_short;
};

/* connection.c: what is to be sent and what is to come; no I/O. */
void connection_init(struct connection *c, int fd, uint64_t index);
bool connection_sends(const struct connection *c);
size_t connection_fill(struct connection *c, unsigned char *buffer);
void connection_sent(struct connection *c, size_t length);
size_t connection_expects(const struct connection *c);
void connection_received(struct connection *c, const unsigned char *buffer, size_t length);
void connection_eof(struct connection *c);
void connection_fail(struct connection *c, const char *what, int64_t detail);
uint32_t pick(struct connection *c, struct range range);

/* blocking.c, events.c: move connections until they are no longer open. */
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
