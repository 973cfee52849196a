// SPDX-License-Identifier: Apache-2.0
/* Bytes that leave the TCP queue of a socket without a counted receive:
 *
 *	splice		5 turns, and 100 bytes that the server splices, on each of 8 connections
 *	lowat N		gives the servers a SO_RCVLOWAT: over 1, sends to them take TCP
 *	urgent		an urgent byte between ordinary ones; the server reads only these
 *	mapped		100 bytes that the server takes with TCP_ZEROCOPY_RECEIVE
 */
#include "both-ends.h"

#define PATIENCE_MS 10000
#define UNCOUNTED   8

#undef TCP_ZEROCOPY_RECEIVE
#define TCP_ZEROCOPY_RECEIVE 35

/* The used part of struct tcp_zerocopy_receive of linux/tcp.h. */
struct mapped {
	uint64_t address;
	uint32_t length, recv_skip_hint, inq;
	int32_t err;
	uint64_t copybuf_address;
	int32_t copybuf_len;
	uint32_t flags;
};

static int pipes[2];

static void took(struct connection *one, const unsigned char *bytes, size_t length)
{
	struct stream *stream = &one->streams[CLIENT];

	errno = EBADMSG;
	if (pattern_check(stream->tag, stream->received, bytes, length) != length)
		die("a wrong byte");
	stream->received += length;
}

static long splice_some(long unused, long unused_too)
{
	struct connection *one;
	unsigned char bytes[TURN];

	(void)unused, (void)unused_too;
	if (!take_turns(5, PATIENCE_MS))
		return 0;
	for (one = connections; one < connections + count; one++) {
		if (!put(one, CLIENT, TURN, milliseconds() + PATIENCE_MS))
			return 0;
		if (splice(one->fds[SERVER], NULL, pipes[1], NULL, TURN, 0) != TURN ||
		    read(pipes[0], bytes, TURN) != TURN)
			die("splice");
		took(one, bytes, TURN);
	}
	return 1;
}

static long lowat(long value, long unused)
{
	struct connection *one;

	(void)unused;
	for (one = connections; one < connections + count; one++)
		set(one->fds[SERVER], SOL_SOCKET, SO_RCVLOWAT, value);
	return 1;
}

static long urgent(long unused, long unused_too)
{
	long until = milliseconds() + PATIENCE_MS;
	struct connection *one;

	(void)unused, (void)unused_too;
	for (one = connections; one < connections + count; one++) {
		if (!put(one, CLIENT, TURN, until))
			return 0;
		if (send(one->fds[CLIENT], "!", 1, MSG_OOB | MSG_NOSIGNAL) != 1)
			die("send(MSG_OOB)");
		if (!put(one, CLIENT, TURN, until) || !get(one, SERVER, until))
			return 0;
	}
	return 1;
}

static long mapped(long unused, long unused_too)
{
	long until = milliseconds() + PATIENCE_MS;
	struct connection *one;
	unsigned char bytes[4096];

	(void)unused, (void)unused_too;
	for (one = connections; one < connections + count; one++) {
		struct mapped receive = {.copybuf_address = (uintptr_t)bytes,
					 .copybuf_len = sizeof(bytes)};
		socklen_t length = sizeof(receive);

		if (!put(one, CLIENT, TURN, until) ||
		    wait_for(one->fds[SERVER], POLLIN, until) != 1)
			return 0;
		if (getsockopt(one->fds[SERVER], IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, &receive,
			       &length))
			die("TCP_ZEROCOPY_RECEIVE");
		if (receive.copybuf_len != TURN) {
			failure = ENODATA;
			return 0;
		}
		took(one, bytes, TURN);
	}
	return 1;
}

int main(void)
{
	static const struct command commands[] = {{"splice", splice_some},
						  {"lowat", lowat},
						  {"urgent", urgent},
						  {"mapped", mapped},
						  {NULL, NULL}};

	if (pipe(pipes))
		die("pipe");
	open_connections(UNCOUNTED, SOCK_NONBLOCK);
	obey(commands);
	return 0;
}
