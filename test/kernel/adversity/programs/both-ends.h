/* SPDX-License-Identifier: Apache-2.0 */
/* For programs that hold both ends of their connections. Each direction carries a pattern. A loop
 * reads commands from the standard input. Each is answered by a line of JSON:
 *
 *	{"event":NAME,"value":N,"error":ERRNO,"sent":BYTES,"received":BYTES}
 *
 * `sent` and `received` add up all connections. A wrong byte ends the program.
 */
#ifndef BOTH_ENDS_H
#define BOTH_ENDS_H

#define _GNU_SOURCE
#include "../../../traffic/stress/pattern.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLIENT	    0
#define SERVER	    1
#define CHUNK	    65536
#define TURN	    100
#define CONNECTIONS 4096

struct stream {
	uint64_t tag;
	uint64_t sent;
	uint64_t received;
};

struct connection {
	int fds[2];
	/* Indexed by the end that sends. */
	struct stream streams[2];
};

static struct connection connections[CONNECTIONS];
static int count;
static uint64_t tags;
/* Why the last step failed. */
static int failure;

static void die(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
	exit(1);
}

static long milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void set(int fd, int level, int option, int value)
{
	if (setsockopt(fd, level, option, &value, sizeof(value)))
		die("setsockopt");
}

static int listen_on(struct sockaddr_in *address)
{
	socklen_t length = sizeof(*address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	*address =
	    (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (bind(listener, (struct sockaddr *)address, length) || listen(listener, 64))
		die("listen");
	getsockname(listener, (struct sockaddr *)address, &length);
	return listener;
}

/* Both ends get the flags of accept4(). */
static struct connection *adopt(int client, int server, int flags)
{
	struct connection *one = &connections[count++];
	int end;

	one->fds[CLIENT] = client;
	one->fds[SERVER] = server;
	for (end = 0; end < 2; end++) {
		one->streams[end] = (struct stream){.tag = mix(++tags)};
		set(one->fds[end], IPPROTO_TCP, TCP_NODELAY, 1);
		if (fcntl(one->fds[end], F_SETFL, flags & SOCK_NONBLOCK ? O_NONBLOCK : 0))
			die("fcntl");
	}
	return one;
}

static inline void open_connections(int number, int flags)
{
	struct sockaddr_in address;
	int listener = listen_on(&address);

	while (number--) {
		int client = socket(AF_INET, SOCK_STREAM, 0);

		if (connect(client, (struct sockaddr *)&address, sizeof(address)))
			die("connect");
		adopt(client, accept(listener, NULL, NULL), flags);
	}
	close(listener);
}

/* Sends once. Returns the number of bytes that were taken, 0 when the send was refused. */
static inline size_t push(struct connection *one, int from, size_t length, int flags)
{
	static unsigned char bytes[16 << 20];
	struct stream *stream = &one->streams[from];
	ssize_t done;

	pattern_fill(stream->tag, stream->sent, bytes, length);
	done = send(one->fds[from], bytes, length, MSG_NOSIGNAL | flags);
	failure = done < 0 ? errno : 0;
	if (done < 0)
		return 0;
	stream->sent += done;
	return done;
}

/* Receives once. Returns the number of bytes, 0 when there were none. */
static inline size_t pull(struct connection *one, int to)
{
	static unsigned char bytes[1 << 20];
	struct stream *stream = &one->streams[!to];
	ssize_t done = recv(one->fds[to], bytes, sizeof(bytes), 0);

	failure = done < 0 ? errno : done ? 0 : ECONNABORTED;
	if (done <= 0)
		return 0;
	if (pattern_check(stream->tag, stream->received, bytes, done) != (size_t)done) {
		errno = EBADMSG;
		die("a wrong byte");
	}
	stream->received += done;
	return done;
}

static inline int wait_for(int fd, short events, long until)
{
	struct pollfd one = {.fd = fd, .events = events};
	long left = until - milliseconds();

	return poll(&one, 1, left > 0 ? left : 0);
}

/* Returns whether all bytes were taken in time. */
static inline int put(struct connection *one, int from, size_t length, long until)
{
	while (length) {
		length -= push(one, from, length < CHUNK ? length : CHUNK, 0);
		if (failure && failure != EAGAIN && failure != ENOMEM)
			return 0;
		if (failure && !wait_for(one->fds[from], POLLOUT, until))
			return 0;
	}
	return 1;
}

/* Returns whether everything that was sent to the end has arrived in time. */
static inline int get(struct connection *one, int to, long until)
{
	const struct stream *stream = &one->streams[!to];

	while (stream->received < stream->sent) {
		if (!pull(one, to) && failure != EAGAIN)
			return 0;
		if (failure && !wait_for(one->fds[to], POLLIN, until))
			return 0;
	}
	failure = 0;
	return 1;
}

/* Exchanges a message and an answer on each connection, several times. */
static inline long take_turns(long times, long patience_ms)
{
	long until = milliseconds() + patience_ms;
	struct connection *one;

	while (times-- > 0)
		for (one = connections; one < connections + count; one++)
			if (!put(one, CLIENT, TURN, until) || !get(one, SERVER, until) ||
			    !put(one, SERVER, TURN, until) || !get(one, CLIENT, until))
				return 0;
	return 1;
}

/* Waits until every byte that was sent has arrived. */
static inline long settle(long patience_ms, long unused)
{
	long until = milliseconds() + patience_ms;
	struct connection *one;

	(void)unused;
	for (one = connections; one < connections + count; one++)
		if (!get(one, SERVER, until) || !get(one, CLIENT, until))
			return 0;
	return 1;
}

struct command {
	const char *name;
	long (*run)(long first, long second);
};

static void answer(const char *event, long value)
{
	uint64_t sent = 0, received = 0;
	int i;

	for (i = 0; i < 2 * count; i++) {
		sent += connections[i / 2].streams[i % 2].sent;
		received += connections[i / 2].streams[i % 2].received;
	}
	printf("{\"event\":\"%s\",\"value\":%ld,\"error\":%d,\"sent\":%llu,\"received\":%llu}\n",
	       event, value, failure, (unsigned long long)sent, (unsigned long long)received);
	fflush(stdout);
}

static void obey(const struct command *commands)
{
	static const struct command common[] = {
	    {"turns", take_turns}, {"settle", settle}, {NULL, NULL}};
	char line[128], name[32];
	const struct command *command;

	while (fgets(line, sizeof(line), stdin)) {
		long first = 0, second = 0;

		sscanf(line, "%31s %ld %ld", name, &first, &second);
		for (command = common; command->name && strcmp(command->name, name); command++)
			;
		if (!command->name)
			for (command = commands; command->name && strcmp(command->name, name);
			     command++)
				;
		errno = ENOSYS;
		if (!command->name)
			die(name);
		failure = 0;
		answer(name, command->run(first, second));
	}
}

#endif
