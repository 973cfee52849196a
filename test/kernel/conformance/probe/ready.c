// SPDX-License-Identifier: Apache-2.0
/* Notifications that there is something to read. */
#define _GNU_SOURCE
#include "probe.h"
#include <sys/epoll.h>
#include <sys/select.h>

static int epoll;
static volatile int io_signals;

static void add(uint32_t events)
{
	struct epoll_event event = {.events = events};

	epoll = epoll_create1(0);
	SAW(epoll_ctl(epoll, EPOLL_CTL_ADD, server, &event));
}

static void look(int timeout_ms)
{
	struct epoll_event event = {};

	epoll_wait(epoll, &event, 1, timeout_ms * patience());
	saw_events("epoll", event.events);
}

/* A poll that sleeps through the join, however long that takes. */
static void poll_in_thread(void)
{
	struct pollfd one = {.fd = server, .events = POLLIN};

	poll(&one, 1, -1);
	look_for_events(server, POLLIN | POLLPRI | POLLOUT | POLLRDHUP);
}

static void poll_all(void)
{
	struct task *waiter;
	int round;

	for (round = 0; round < 2; round++) {
		waiter = start(poll_in_thread);
		until_asleep_in(waiter, SYS_poll);
		if (!round)
			mid();
		SAW(send(client, "hello", 5, 0));
		finish(waiter);
		look_for_events(server, POLLIN | POLLOUT);
		GOT(recv(server, buffer, 2, 0));
		look_for_events(server, POLLIN | POLLOUT);
		GOT(recv(server, buffer, 10, 0));
		look_for_events(server, POLLIN | POLLOUT);
	}
}

static void select_all(void)
{
	int round;

	for (round = 0; round < 2; round++) {
		struct timeval none = {}, seconds = {.tv_sec = 2 * patience()};
		fd_set set;

		FD_ZERO(&set);
		FD_SET(server, &set);
		SAW(select(server + 1, &set, NULL, NULL, &none));
		SAW(send(client, "hello", 5, 0));
		if (!round)
			mid();
		FD_SET(server, &set);
		SAW(select(server + 1, &set, NULL, NULL, &seconds));
		GOT(recv(server, buffer, 10, 0));
	}
}

static void level(void)
{
	int round;

	add(EPOLLIN);
	for (round = 0; round < 3; round++) {
		look(0);
		SAW(send(client, "hello", 5, 0));
		look(2000);
		look(0);
		if (!round)
			mid();
		GOT(recv(server, buffer, 2, 0));
		look(0);
		GOT(recv(server, buffer, 10, 0));
		look(0);
	}
}

/* Each arrival is an edge. Bytes that are left from an earlier arrival are none. */
static void edge(void)
{
	int round;

	add(EPOLLIN | EPOLLET | EPOLLRDHUP);
	for (round = 0; round < 3; round++) {
		SAW(send(client, "hello", 5, 0));
		look(2000);
		settle();
		if (round == 1)
			mid();
		GOT(recv(server, buffer, 2, 0));
		SAW(send(client, "again", 5, 0));
		look(2000);
		GOT(recv(server, buffer, 10, 0));
		GOT(recv(server, buffer, 10, 0));
	}
	SAW(shutdown(client, SHUT_WR));
	look(2000);
}

/* A short read counts as the end of the available bytes, as in nginx and tokio. No byte may remain
 * without an edge. */
static void edge_short_read(void)
{
	size_t have = 0, want = 0;
	int message;

	add(EPOLLIN | EPOLLET);
	for (message = 0; message < 40; message++) {
		ssize_t done;

		if (message == 20)
			mid();
		want += 100;
		fill_text(buffer, 100);
		send(client, buffer, 100, 0);
		while (have < want) {
			struct epoll_event event;

			if (epoll_wait(epoll, &event, 1, 5000 * patience()) != 1) {
				say("no edge after %zu bytes of %zu", have, want);
				return;
			}
			do {
				done = recv(server, buffer, 64, 0);
				have += done > 0 ? done : 0;
			} while (done == 64);
		}
	}
	say("received %zu bytes of %zu", have, want);
}

/* The descriptor is registered while bytes wait. */
static void added_late(void)
{
	SAW(send(client, "hello", 5, 0));
	settle();
	mid();
	add(EPOLLIN | EPOLLET);
	look(2000);
	look(0);
	GOT(recv(server, buffer, 10, 0));
	SAW(send(client, "again", 5, 0));
	look(2000);
	GOT(recv(server, buffer, 10, 0));
}

static void one_shot(void)
{
	struct epoll_event again = {.events = EPOLLIN | EPOLLONESHOT};
	int round;

	add(EPOLLIN | EPOLLONESHOT);
	for (round = 0; round < 2; round++) {
		SAW(send(client, "hello", 5, 0));
		look(2000);
		if (!round)
			mid();
		SAW(send(client, "again", 5, 0));
		settle();
		look(0);
		SAW(epoll_ctl(epoll, EPOLL_CTL_MOD, server, &again));
		look(2000);
		receive_all(server, 10);
		SAW(epoll_ctl(epoll, EPOLL_CTL_MOD, server, &again));
	}
}

static void wait_exclusively(void)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE};
	int own = epoll_create1(0);

	SAW(epoll_ctl(own, EPOLL_CTL_ADD, server, &event));
	event.events = 0;
	epoll_wait(own, &event, 1, -1);
	saw_events("epoll", event.events);
}

/* Two threads wait. One message wakes at least one of them. The other one needs no byte to wake. */
static void exclusive(void)
{
	struct task *waiters[2] = {start(wait_exclusively), start(wait_exclusively)};

	until_asleep_in(waiters[0], SYS_epoll_wait);
	until_asleep_in(waiters[1], SYS_epoll_wait);
	mid();
	SAW(send(client, "hello", 5, 0));
	await_events(server, POLLIN);
	/* A second message wakes the second thread at the latest. */
	SAW(send(client, "again", 5, 0));
	finish(waiters[0]);
	finish(waiters[1]);
	receive_all(server, 10);
}

static void count_io(int signal)
{
	(void)signal;
	io_signals++;
}

static bool is_signalled(void)
{
	return io_signals > 0;
}

static void signal_io(void)
{
	struct sigaction action = {.sa_handler = count_io, .sa_flags = SA_RESTART};
	int round;

	sigaction(SIGIO, &action, NULL);
	fcntl(server, F_SETOWN, getpid());
	fcntl(server, F_SETFL, fcntl(server, F_GETFL) | O_ASYNC);
	for (round = 0; round < 2; round++) {
		if (!round)
			mid();
		settle();
		io_signals = 0;
		SAW(send(client, "hello", 5, 0));
		until(is_signalled);
		say("signalled");
		GOT(recv(server, buffer, 10, 0));
	}
}

const struct probe ready_probes[] = {
    {"poll", poll_all},
    {"select", select_all},
    {"epoll-level", level, .nonblocking = true},
    {"epoll-edge", edge, .nonblocking = true},
    {"epoll-edge-short-read", edge_short_read, .nonblocking = true},
    {"epoll-added-late", added_late, .nonblocking = true},
    {"epoll-oneshot", one_shot, .nonblocking = true},
    {"epoll-exclusive", exclusive, .nonblocking = true},
    {"sigio", signal_io, .nonblocking = true},
    {},
};
