// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "probe.h"
#include <linux/sockios.h>

int client, server;
char buffer[1 << 20];

void set_option(int fd, int level, int option, int value)
{
	if (setsockopt(fd, level, option, &value, sizeof(value)))
		die("setsockopt");
}

int get_option(int fd, int level, int option)
{
	int value = 0;
	socklen_t length = sizeof(value);

	return getsockopt(fd, level, option, &value, &length) ? -1 : value;
}

void set_nonblocking(int fd)
{
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK))
		die("O_NONBLOCK");
}

/* A listener with the protocol, a client with the other one. */
void open_tcp(int family, const char *address, int listener_protocol, int client_protocol)
{
	struct sockaddr_in four = {.sin_family = AF_INET};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6};
	struct sockaddr *name = family == AF_INET ? (void *)&four : (void *)&six;
	socklen_t length = family == AF_INET ? sizeof(four) : sizeof(six);
	int listener;

	inet_pton(family, address,
		  family == AF_INET ? (void *)&four.sin_addr : (void *)&six.sin6_addr);
	listener = socket(family, SOCK_STREAM, listener_protocol);
	client = socket(family, SOCK_STREAM, client_protocol);
	if (listener < 0 || client < 0)
		not_here(strerror(errno));
	if (bind(listener, name, length) || listen(listener, 8) ||
	    getsockname(listener, name, &length))
		die("listen");
	if (connect(client, name, length))
		die("connect");
	server = accept(listener, NULL, NULL);
	if (server < 0)
		die("accept");
	close(listener);
}

void open_ipv4(void)
{
	open_tcp(AF_INET, "127.0.0.1", 0, 0);
}

void until(bool (*is_true)(void))
{
	while (!is_true())
		usleep(1000);
}

static int unacknowledged(int fd)
{
	int bytes = 0;

	return ioctl(fd, SIOCOUTQ, &bytes) ? 0 : bytes;
}

static bool is_settled(void)
{
	return !unacknowledged(client) && !unacknowledged(server);
}

void settle(void)
{
	until(is_settled);
}

static const char *name_of(int fd)
{
	return fd == client ? "client" : fd == server ? "server" : "descriptor";
}

static void poll_for(int fd, short events, int timeout_ms)
{
	struct pollfd one = {.fd = fd, .events = events};
	char what[32];

	poll(&one, 1, timeout_ms);
	snprintf(what, sizeof(what), "poll %s", name_of(fd));
	saw_events(what, one.revents);
}

void await_events(int fd, short events)
{
	struct pollfd one = {.fd = fd, .events = events};

	poll(&one, 1, 5000 * patience());
	poll_for(fd, POLLIN | POLLPRI | POLLOUT | POLLRDHUP, 0);
}

void look_for_events(int fd, short events)
{
	poll_for(fd, events, 0);
}

void fill_text(char *to, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++)
		to[i] = 'a' + (i ^ (i >> 7)) % 26;
}

void receive_all(int fd, size_t length)
{
	size_t have = 0;
	ssize_t done = 1;

	while (have < length && done > 0) {
		struct pollfd one = {.fd = fd, .events = POLLIN};

		poll(&one, 1, -1);
		done = recv(fd, buffer + have, length - have, 0);
		if (done > 0)
			have += done;
		else if (done < 0 && errno == EAGAIN)
			done = 1;
	}
	got("all received", have ? (ssize_t)have : done, buffer);
}

void say_sent(void)
{
	ssize_t done = send(client, "again", 5, MSG_NOSIGNAL);

	if (done < 0 && (errno == ECONNRESET || errno == ECONNABORTED || errno == EPIPE))
		say("send: the connection is reset");
	else
		saw("send", done);
}

ssize_t plain_receive(int fd, void *to, size_t length)
{
	return recv(fd, to, length, 0);
}
