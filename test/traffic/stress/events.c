// SPDX-License-Identifier: Apache-2.0
/* One event loop over many connections. */
#define _GNU_SOURCE
#include "stress.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Limit for sends in a row on one connection: a stream must not keep the others waiting. */
#define SENDS_MAX 16

static int epoll_fd = -1;

/* Edge-triggered connections that may go on sending. No further event announces them. */
static struct connection *senders;

static void watch(struct connection *c, int operation)
{
	struct epoll_event event = {.data.ptr = c};

	if (c->mode == MODE_EDGE)
		event.events = EPOLLIN | EPOLLRDHUP | EPOLLOUT | EPOLLET;
	else
		event.events = EPOLLIN | (c->want_out ? EPOLLOUT : 0);
	epoll_ctl(epoll_fd, operation, c->fd, &event);
}

void events_add(struct connection *c)
{
	c->want_out = true;
	watch(c, EPOLL_CTL_ADD);
}

static void send_all(struct connection *c, unsigned char *buffer)
{
	bool more = false;
	int sends = 0;

	while (atomic_load(&c->outcome) == OPEN && connection_sends(c)) {
		size_t length = connection_fill(c, buffer);
		ssize_t sent = send(c->fd, buffer, length, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno != EAGAIN) {
			connection_fail(c, "send failed with errno", errno);
			break;
		}
		if (sent >= 0)
			connection_sent(c, sent);
		more = sent < 0 || ++sends == SENDS_MAX;
		if (more)
			break;
	}
	if (c->mode == MODE_LEVEL && more != c->want_out) {
		c->want_out = more;
		watch(c, EPOLL_CTL_MOD);
	}
	if (c->mode == MODE_EDGE && sends == SENDS_MAX && !c->sends_on) {
		c->sends_on = true;
		c->next_sender = senders;
		senders = c;
	}
}

/* Level-triggered: one receive for each event. Edge-triggered: receives until a short one. Once the
 * peer is known to have ended, it receives until the end of the stream. */
static void receive_all(struct connection *c, unsigned char *buffer, bool ended)
{
	ssize_t received;

	do {
		received = recv(c->fd, buffer, options.buffer, MSG_DONTWAIT);
		if (received > 0) {
			connection_received(c, buffer, received);
		} else if (!received) {
			connection_eof(c);
		} else if (errno != EAGAIN) {
			connection_fail(c, "receive failed with errno", errno);
		}
	} while (c->mode == MODE_EDGE && (received == options.buffer || (ended && received > 0)) &&
		 atomic_load(&c->outcome) == OPEN);
}

static void handle(struct connection *c, uint32_t events, unsigned char *buffer)
{
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP))
		receive_all(c, buffer, events & EPOLLRDHUP);
	if (!c->sends_on)
		send_all(c, buffer);
	if (atomic_load(&c->outcome) != OPEN)
		close(c->fd);
}

static void send_on(unsigned char *buffer)
{
	struct connection *c = senders, *next;

	for (senders = NULL; c; c = next) {
		next = c->next_sender;
		c->sends_on = false;
		if (atomic_load(&c->outcome) != OPEN)
			continue;
		send_all(c, buffer);
		if (atomic_load(&c->outcome) != OPEN)
			close(c->fd);
	}
}

void *run_events(void *unused)
{
	unsigned char *buffer = malloc(MESSAGE_MAX);
	struct epoll_event events[64];

	(void)unused;
	for (;;) {
		int i, count = epoll_wait(epoll_fd, events, 64, senders ? 0 : -1);

		for (i = 0; i < count; i++)
			handle(events[i].data.ptr, events[i].events, buffer);
		send_on(buffer);
	}
}

void events_open(void)
{
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
}
