// SPDX-License-Identifier: Apache-2.0
/* `asker server PORT` and `asker client ADDRESS PORT CONNECTIONS` exchange requests and answers and
 * check every byte. Both read as many programs do: they wait for an edge, ask FIONREAD, and read
 * that many bytes. The client takes commands on the standard input. It answers each by a line of
 * JSON:
 *
 *	ask N	N requests on each connection, one after the other: how long the slowest answer
 *		took, and how many took longer than SLOW_US
 *	ask N M	the same, M requests at once
 *	close	closes the connections, and opens as many new ones
 *	pid	prints the process id, so that the process can be stopped
 *
 * With ASKER_PLAIN in the environment it reads without FIONREAD. A kernel that hides a member's TCP
 * bytes hides them in another agent's sockmap, too. SIGUSR2 has it ask FIONREAD from then on. With
 * ASKER_AFTER in the environment it then asks after each full read whether more is there, as nginx
 * does, and waits for an edge if not. ASKER_NAME in the environment becomes the name
 * of the process.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE	   100
#define MAX	   1024
#define SLOW_US	   300000
#define STALLED_MS 60000

static int fds[MAX], connections, epoll;
static unsigned char partial[MAX * 2][MESSAGE], rounds[MAX * 2], filled[MAX * 2];
static unsigned char dry[MAX * 2];
static unsigned long slow, worst;
static volatile sig_atomic_t asks;

static void die(const char *what)
{
	fprintf(stderr, "asker: %s: %s\n", what, strerror(errno));
	exit(1);
}

static unsigned long now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000UL + now.tv_nsec / 1000;
}

static void watch(int fd, int events)
{
	struct epoll_event event = {.events = events, .data.fd = fd};
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		die("epoll_ctl");
}

/* A peek shows the end of the stream, or an error. */
static ssize_t available(int fd)
{
	char one;
	int there = 0;
	ssize_t peeked;

	if (!asks || getenv("ASKER_AFTER"))
		return MESSAGE;
	if (ioctl(fd, FIONREAD, &there))
		return -1;
	if (there)
		return there;
	peeked = recv(fd, &one, 1, MSG_PEEK | MSG_DONTWAIT);
	return peeked == 0 || (peeked < 0 && errno != EAGAIN) ? -1 : 0;
}

/* Whether nothing is left, for a reader that asks after a full read. */
static unsigned char is_dry(int fd)
{
	int there = 1;

	if (asks && getenv("ASKER_AFTER") && ioctl(fd, FIONREAD, &there))
		die("FIONREAD");
	return !there;
}

static void turn(int signal)
{
	(void)signal;
	asks = 1;
}

/* Reads the available bytes into the message of the descriptor. Returns 1 when the message is
 * whole, -1 at the end. */
static int take(int fd)
{
	unsigned char *message = partial[fd % (MAX * 2)];
	unsigned char *have = &filled[fd % (MAX * 2)];

	if (dry[fd % (MAX * 2)])
		return 0;
	while (*have < MESSAGE) {
		ssize_t there = available(fd), more;

		if (there <= 0)
			return there;
		if (there > MESSAGE - *have)
			there = MESSAGE - *have;
		more = recv(fd, message + *have, there, MSG_DONTWAIT);
		if (more <= 0)
			return more < 0 && errno == EAGAIN ? 0 : -1;
		*have += more;
	}
	*have = 0;
	dry[fd % (MAX * 2)] = is_dry(fd);
	return 1;
}

static void put(int fd, unsigned char round)
{
	unsigned char message[MESSAGE];
	size_t sent = 0;

	memset(message, round, sizeof(message));
	while (sent < sizeof(message)) {
		ssize_t done = send(fd, message + sent, sizeof(message) - sent, MSG_NOSIGNAL);

		if (done < 0 && errno != EAGAIN)
			die("send");
		if (done > 0)
			sent += done;
	}
}

static void check(int fd, unsigned char round)
{
	int i;

	for (i = 0; i < MESSAGE; i++) {
		if (partial[fd % (MAX * 2)][i] == round)
			continue;
		fprintf(stderr, "asker: byte %d is %d, not %d\n", i, partial[fd % (MAX * 2)][i],
			round);
		exit(2);
	}
}

static void serve(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct epoll_event ready[64];
	int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, MAX))
		die("listen");
	watch(listener, EPOLLIN);
	printf("{\"event\":\"ready\",\"pid\":%d}\n", getpid());
	fflush(stdout);
	for (;;) {
		int i, count = epoll_wait(epoll, ready, 64, -1);

		for (i = 0; i < count; i++) {
			int fd = ready[i].data.fd, whole;

			if (fd == listener) {
				while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
					rounds[fd % (MAX * 2)] = filled[fd % (MAX * 2)] = 0;
					watch(fd, EPOLLIN | EPOLLET | EPOLLRDHUP);
				}
				continue;
			}
			dry[fd % (MAX * 2)] = 0;
			while ((whole = take(fd)) > 0) {
				check(fd, rounds[fd % (MAX * 2)]);
				put(fd, rounds[fd % (MAX * 2)]++);
			}
			if (whole < 0)
				close(fd);
		}
	}
}

static void open_all(const char *to, int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	int i;

	inet_pton(AF_INET, to, &address.sin_addr);
	for (i = 0; i < connections; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM, 0);
		if (fds[i] < 0 || connect(fds[i], (struct sockaddr *)&address, sizeof(address)) ||
		    fcntl(fds[i], F_SETFL, O_NONBLOCK))
			die("connect");
		rounds[fds[i] % (MAX * 2)] = filled[fds[i] % (MAX * 2)] = 0;
		watch(fds[i], EPOLLIN | EPOLLET | EPOLLRDHUP);
	}
}

/* Sends this many requests at once on each connection, and reads all answers. */
static void ask_all(int at_once)
{
	unsigned long begin = now_us();
	struct epoll_event ready[64];
	int i, j, left = connections * at_once;

	for (i = 0; i < connections; i++)
		for (j = 0; j < at_once; j++)
			put(fds[i], rounds[fds[i] % (MAX * 2)] + j);
	while (left) {
		int count = epoll_wait(epoll, ready, 64, STALLED_MS);

		if (count < 0 && errno == EINTR)
			continue;
		if (!count) {
			fprintf(stderr, "asker: stalled: %d of %d answers are missing\n", left,
				connections * at_once);
			exit(3);
		}
		for (i = 0; i < count; i++) {
			int fd = ready[i].data.fd, whole;
			unsigned long took = now_us() - begin;

			dry[fd % (MAX * 2)] = 0;
			while ((whole = take(fd)) > 0) {
				check(fd, rounds[fd % (MAX * 2)]++);
				left--;
				worst = took > worst ? took : worst;
				slow += took > SLOW_US;
			}
			if (whole < 0)
				die("an early end");
		}
	}
}

int main(int argc, char **argv)
{
	char line[64];
	int i, times, at_once;

	if (getenv("ASKER_NAME"))
		prctl(PR_SET_NAME, getenv("ASKER_NAME"));
	asks = !getenv("ASKER_PLAIN");
	signal(SIGUSR2, turn);
	epoll = epoll_create1(0);
	if (argc == 3 && !strcmp(argv[1], "server"))
		serve(atoi(argv[2]));
	if (argc != 5 || (connections = atoi(argv[4])) > MAX)
		return 2;
	open_all(argv[2], atoi(argv[3]));
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		worst = slow = 0;
		at_once = 1;
		if (sscanf(line, "ask %d %d", &times, &at_once) >= 1) {
			for (i = 0; i < times; i++)
				ask_all(at_once);
			line[3] = 0;
		} else if (!strcmp(line, "close")) {
			for (i = 0; i < connections; i++)
				close(fds[i]);
			open_all(argv[2], atoi(argv[3]));
		}
		printf("{\"event\":\"%s\",\"worstUs\":%lu,\"slow\":%lu,\"pid\":%d}\n", line, worst,
		       slow, getpid());
		fflush(stdout);
	}
	return 0;
}
