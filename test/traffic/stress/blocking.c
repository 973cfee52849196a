// SPDX-License-Identifier: Apache-2.0
/* One thread for each connection. It sends all bytes of its step, then blocks in a receive. */
#define _GNU_SOURCE
#include "stress.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void send_some(struct connection *c, unsigned char *buffer)
{
	size_t length = connection_fill(c, buffer);
	ssize_t sent =
	    send(c->fd, buffer, length, MSG_NOSIGNAL | (options.zerocopy ? MSG_ZEROCOPY : 0));

	if (sent < 0)
		connection_fail(c, "send failed with errno", errno);
	else
		connection_sent(c, sent);
}

/* Reads the kernel's completions for MSG_ZEROCOPY buffers. The answer has already shown that they
 * are free.
 */
static void drop_notes(const struct connection *c)
{
	char control[256];
	struct msghdr msg = {.msg_control = control, .msg_controllen = sizeof(control)};

	while (recvmsg(c->fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) >= 0)
		msg.msg_controllen = sizeof(control);
}

/* Polls first, so that some of the expected bytes are there. */
static ssize_t receive_all(struct connection *c, unsigned char *buffer, size_t expected)
{
	struct pollfd one = {.fd = c->fd, .events = POLLIN};
	ssize_t received;

	if (poll(&one, 1, -1) < 0)
		return -1;
	received = recv(c->fd, buffer, expected, MSG_WAITALL);
	if (received > 0 && (size_t)received < expected)
		atomic_store(&c->cut_short, true);
	return received;
}

/* The socket may become readable early. Then only the available bytes are read. */
static ssize_t receive_enough(struct connection *c, unsigned char *buffer, size_t expected)
{
	struct pollfd one = {.fd = c->fd, .events = POLLIN};
	int lowat = expected;

	if (setsockopt(c->fd, SOL_SOCKET, SO_RCVLOWAT, &lowat, sizeof(lowat)) ||
	    poll(&one, 1, -1) < 0)
		return -1;
	return recv(c->fd, buffer, expected, 0);
}

/* Peeks at the first byte, waits until all expected bytes are there, reads them and compares. */
static ssize_t receive_peeked(struct connection *c, unsigned char *buffer, size_t expected)
{
	unsigned char first;
	int there = 0;
	ssize_t received;

	received = recv(c->fd, &first, 1, MSG_PEEK);
	if (received <= 0)
		return received;
	while (there < (int)expected) {
		if (ioctl(c->fd, FIONREAD, &there))
			return -1;
		usleep(100);
		/* An end or an error leaves nothing to wait for. */
		if (recv(c->fd, buffer, 1, MSG_PEEK | MSG_DONTWAIT) <= 0)
			break;
	}
	received = recv(c->fd, buffer, expected, 0);
	if (received > 0 && (buffer[0] != first || received < (ssize_t)expected))
		connection_fail(c, "not what was peeked at:", received);
	return received;
}

static ssize_t receive(struct connection *c, unsigned char *buffer)
{
	enum turn turn = atomic_load(&streaming) ? options.turn : TURN_NEVER;
	bool splices = turn == TURN_BODY || turn == TURN_ALL;
	size_t expected = connection_expects(c);
	ssize_t moved;

	if (!expected || expected > options.buffer)
		expected = options.buffer;
	if (turn == TURN_LOWAT)
		return receive_enough(c, buffer, expected);
	if (turn == TURN_PEEK)
		return receive_peeked(c, buffer, expected);
	switch (splices ? MODE_SPLICE : turn == TURN_WAITALL ? MODE_WAITALL : c->mode) {
	case MODE_WAITALL:
		return receive_all(c, buffer, expected);
	case MODE_SPLICE:
		/* Like a proxy: reads the header and splices the rest. */
		if (!c->to_receive && options.turn != TURN_ALL)
			return recv(c->fd, buffer, expected, 0);
		if (c->pipe[0] < 0 && pipe(c->pipe))
			return -1;
		moved = splice(c->fd, NULL, c->pipe[1], NULL, options.buffer, 0);
		return moved > 0 ? read(c->pipe[0], buffer, moved) : moved;
	default:
		return recv(c->fd, buffer, options.buffer, 0);
	}
}

/* Pauses after a step. Thousands of threads that never wait would leave no processor time for
 * others.
 */
static void pause_before_send(struct connection *c)
{
	unsigned long steps = atomic_load(&c->steps);

	if (!c->client || !options.pause_us || (steps == c->paused && !options.parts))
		return;
	c->paused = steps;
	usleep(options.pause_us);
}

void run_blocking(struct connection *c)
{
	unsigned char *buffer = malloc(MESSAGE_MAX);

	while (atomic_load(&c->outcome) == OPEN) {
		ssize_t received;

		if (connection_sends(c)) {
			pause_before_send(c);
			send_some(c, buffer);
			continue;
		}
		received = receive(c, buffer);
		if (received > 0)
			connection_received(c, buffer, received);
		else if (!received)
			connection_eof(c);
		/* A member's receive may mistake the acknowledgement of its own FIN for a time-out:
		 * half-close-while-waiting in docs/SEMANTICS.md. */
		else if (errno != EINTR && !(errno == EAGAIN && c->shut))
			connection_fail(c, "receive failed with errno", errno);
		if (options.zerocopy)
			drop_notes(c);
	}
	close(c->fd);
	free(buffer);
}
