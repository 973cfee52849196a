// SPDX-License-Identifier: Apache-2.0
/* One thread for each connection: sends all of its turn, then blocks in a receive. */
#define _GNU_SOURCE
#include "stress.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
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

/* The kernel's notes that it is done with buffers of MSG_ZEROCOPY; the answer has told so already.
 */
static void drop_notes(const struct connection *c)
{
	char control[256];
	struct msghdr msg = {.msg_control = control, .msg_controllen = sizeof(control)};

	while (recvmsg(c->fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) >= 0)
		msg.msg_controllen = sizeof(control);
}

static ssize_t receive(struct connection *c, unsigned char *buffer)
{
	bool turned = options.turn != TURN_NEVER && atomic_load(&streaming);
	size_t expected = connection_expects(c);
	ssize_t moved;

	switch (turned ? MODE_SPLICE : c->mode) {
	case MODE_WAITALL:
		if (!expected || expected > options.buffer)
			expected = options.buffer;
		return recv(c->fd, buffer, expected, MSG_WAITALL);
	case MODE_SPLICE:
		/* As a proxy does: the header is read, what follows is moved. */
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

/* Thousands of threads that never wait would leave no processor time to anybody else. */
static void pause_after_step(struct connection *c)
{
	unsigned long steps = atomic_load(&c->steps);

	if (!c->client || !options.pause_us || steps == c->paused)
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
			pause_after_step(c);
			send_some(c, buffer);
			continue;
		}
		received = receive(c, buffer);
		if (received > 0)
			connection_received(c, buffer, received);
		else if (!received)
			connection_eof(c);
		else if (errno != EINTR)
			connection_fail(c, "receive failed with errno", errno);
		if (options.zerocopy)
			drop_notes(c);
	}
	close(c->fd);
	free(buffer);
}
