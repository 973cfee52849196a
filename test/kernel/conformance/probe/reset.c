// SPDX-License-Identifier: Apache-2.0
/* Connections that end with a reset. */
#define _GNU_SOURCE
#include "probe.h"

static void say_end(int fd)
{
	await_events(fd, POLLRDHUP);
	GOT(recv(fd, buffer, 100, MSG_DONTWAIT));
	GOT(recv(fd, buffer, 100, MSG_DONTWAIT));
	SAW(get_option(fd, SOL_SOCKET, SO_ERROR));
	SAW(send(fd, "late", 4, MSG_NOSIGNAL));
}

/* The socket is closed while bytes are unread. The peer must learn that they were lost. */
static void close_unread(void)
{
	mid();
	SAW(send(client, "unread", 6, 0));
	settle();
	SAW(send(client, "unread", 6, 0));
	settle();
	SAW(close(server));
	say_end(client);
}

static void close_half_read(void)
{
	mid();
	SAW(send(client, "request", 7, 0));
	GOT(recv(server, buffer, 10, 0));
	SAW(send(client, "unread", 6, 0));
	settle();
	GOT(recv(server, buffer, 2, 0));
	SAW(close(server));
	say_end(client);
}

static void reset(int fd)
{
	struct linger none = {.l_onoff = 1};

	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none)))
		die("SO_LINGER");
	SAW(close(fd));
}

static void linger(void)
{
	mid();
	reset(server);
	say_end(client);
}

/* Bytes that had arrived before the reset can still be read. */
static void linger_unread(void)
{
	mid();
	SAW(send(server, "request", 7, 0));
	GOT(recv(client, buffer, 10, 0));
	SAW(send(server, "before", 6, 0));
	settle();
	reset(server);
	say_end(client);
}

static void receive_in_thread(void)
{
	GOT(recv(client, buffer, 100, 0));
	SAW(get_option(client, SOL_SOCKET, SO_ERROR));
	GOT(recv(client, buffer, 100, 0));
}

static void reset_blocked(void)
{
	struct task *reader = start(receive_in_thread);

	until_asleep_in(reader, SYS_recvfrom);
	mid();
	SAW(close(dup(client)));
	reset(server);
	finish(reader);
}

static void disconnect(void)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};

	SAW(send(client, "request", 7, 0));
	GOT(recv(server, buffer, 10, 0));
	mid();
	SAW(connect(server, &none, sizeof(none)));
	say_end(client);
	SAW(send(server, "late", 4, MSG_NOSIGNAL));
	SAW(recv(server, buffer, 10, MSG_DONTWAIT));
}

/* The process ends, with its descriptors open and bytes unread. */
static void process_ends(void)
{
	pid_t child;

	mid();
	SAW(send(client, "request", 7, 0));
	GOT(recv(server, buffer, 10, 0));
	SAW(send(client, "unread", 6, 0));
	settle();
	child = fork();
	if (!child) {
		close(client);
		pause();
	}
	close(server);
	kill(child, SIGKILL);
	say_end(client);
}

const struct probe reset_probes[] = {
    {"close-unread", close_unread},
    {"close-half-read", close_half_read},
    {"so-linger-0", linger},
    {"so-linger-0-unread", linger_unread},
    {"so-linger-0-nonblocking", linger, .nonblocking = true},
    {"reset-blocked-reader", reset_blocked},
    {"disconnect", disconnect},
    {"killed-with-unread", process_ends},
    {},
};
