// SPDX-License-Identifier: Apache-2.0
/* ztunnel NETNS PORT NETNS ADDRESS PORT: a proxy in the node's namespaces that opens its sockets in
 * those of pods. Like Istio's ztunnel it enters a namespace, makes the socket and returns. It
 * listens in the first pod. It forwards each connection from the second pod to the address. It
 * prints {"event":"ready","netns":"its own"} once it listens.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER 65536

static int home;
static const char *onward_netns;
static struct sockaddr_in onward;

static void die(const char *what)
{
	fprintf(stderr, "ztunnel: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The thread is in the pod's namespace only while it makes the socket. */
static int socket_in(const char *netns)
{
	int fd, there = open(netns, O_RDONLY | O_CLOEXEC);

	if (there < 0 || setns(there, CLONE_NEWNET))
		die(netns);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setns(home, CLONE_NEWNET))
		die("leave");
	close(there);
	return fd;
}

static void wait_for(int fd, short events)
{
	struct pollfd one = {.fd = fd, .events = events};

	poll(&one, 1, -1);
}

/* Returns whether there may be more bytes. */
static int carry(int from, int to, char *buffer)
{
	ssize_t done = 0, length = recv(from, buffer, BUFFER, MSG_DONTWAIT);

	if (length < 0)
		return errno == EAGAIN;
	if (length == 0) {
		shutdown(to, SHUT_WR);
		return 0;
	}
	while (done < length) {
		ssize_t sent = send(to, buffer + done, length - done, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno != EAGAIN)
			return 0;
		if (sent < 0)
			wait_for(to, POLLOUT);
		else
			done += sent;
	}
	return 1;
}

static void *serve(void *argument)
{
	int one = 1, caller = (int)(long)argument, called = socket_in(onward_netns);
	struct pollfd ends[] = {{.fd = caller, .events = POLLIN}, {.fd = called, .events = POLLIN}};
	static __thread char buffer[BUFFER];

	if (connect(called, (struct sockaddr *)&onward, sizeof(onward)))
		die("connect");
	setsockopt(caller, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(called, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	while (ends[0].fd >= 0 || ends[1].fd >= 0) {
		if (poll(ends, 2, -1) < 0)
			die("poll");
		if (ends[0].revents && !carry(caller, called, buffer))
			ends[0].fd = -1;
		if (ends[1].revents && !carry(called, caller, buffer))
			ends[1].fd = -1;
	}
	close(caller);
	close(called);
	return NULL;
}

int main(int count, char **values)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	int one = 1, listener;
	char own[64] = "";

	if (count != 6)
		return 2;
	home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	address.sin_port = htons(atoi(values[2]));
	onward_netns = values[3];
	onward.sin_family = AF_INET;
	onward.sin_port = htons(atoi(values[5]));
	if (inet_pton(AF_INET, values[4], &onward.sin_addr) != 1)
		die(values[4]);
	listener = socket_in(values[1]);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 100))
		die("listen");
	if (readlink("/proc/self/ns/net", own, sizeof(own) - 1) < 0)
		die("readlink");
	printf("{\"event\":\"ready\",\"netns\":\"%s\"}\n", own);
	fflush(stdout);
	for (;;) {
		pthread_t thread;
		int caller = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (caller < 0)
			die("accept");
		if (pthread_create(&thread, NULL, serve, (void *)(long)caller))
			die("thread");
		pthread_detach(thread);
	}
}
