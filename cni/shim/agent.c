// SPDX-License-Identifier: Apache-2.0
#include "agent.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static const char too_slow[] = "it did not answer in time";

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000L + now.tv_nsec / 1000000;
}

/* Waits until the socket is ready. Returns false at the deadline. */
static bool wait_for(int fd, short events, long deadline_ms)
{
	for (;;) {
		long left_ms = deadline_ms - now_ms();
		struct pollfd ready = {.fd = fd, .events = events};
		int count;

		if (left_ms <= 0)
			return false;
		count = poll(&ready, 1, (int)left_ms);
		if (count > 0)
			return true;
		if (count < 0 && errno != EINTR)
			return false;
	}
}

static const char *send_all(int fd, struct span bytes, long deadline_ms)
{
	while (bytes.length > 0) {
		ssize_t sent = send(fd, bytes.at, bytes.length, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent >= 0) {
			bytes.at += sent;
			bytes.length -= sent;
		} else if (errno == EAGAIN) {
			if (!wait_for(fd, POLLOUT, deadline_ms))
				return too_slow;
		} else if (errno != EINTR) {
			return strerror(errno);
		}
	}
	return NULL;
}

static const char *wait_for_answer(int fd, long deadline_ms)
{
	char answer[64];
	ssize_t length;

	do {
		if (!wait_for(fd, POLLIN, deadline_ms))
			return too_slow;
		length = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);
	} while (length < 0 && (errno == EAGAIN || errno == EINTR));
	if (length < 0)
		return strerror(errno);
	return length == 0 ? "it hung up" : NULL;
}

static const char *exchange(int fd, const struct sockaddr_un *address, struct span header,
			    struct span configuration)
{
	const long deadline_ms = now_ms() + AGENT_DEADLINE_MS;
	const struct timeval limit = {.tv_usec = AGENT_DEADLINE_MS * 1000};
	const char *wrong;

	/* connect() blocks while the backlog is full, and poll() cannot wait for that. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)))
		return errno == EAGAIN ? too_slow : strerror(errno);
	wrong = send_all(fd, header, deadline_ms);
	if (!wrong)
		wrong = send_all(fd, configuration, deadline_ms);
	if (wrong)
		return wrong;
	shutdown(fd, SHUT_WR);
	return wait_for_answer(fd, deadline_ms);
}

/* The header in allocated memory. `at` is NULL if there is none. */
static struct span make_header(void)
{
	static const char *const variables[] = {"CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS",
						"CNI_IFNAME", "CNI_ARGS"};
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return (struct span){NULL, 0};
	fprintf(out, "meshaccel-cni/1%c", 0);
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		const char *value = getenv(variables[i]);

		if (value)
			fprintf(out, "%s=%s%c", variables[i], value, 0);
	}
	fputc(0, out);
	if (fclose(out)) {
		free(text);
		return (struct span){NULL, 0};
	}
	return (struct span){text, length};
}

const char *tell_agent(const char *socket_path, struct span configuration)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct span header;
	const char *wrong;
	int fd;

	if (strlen(socket_path) >= sizeof(address.sun_path))
		return strerror(ENAMETOOLONG);
	strcpy(address.sun_path, socket_path);
	header = make_header();
	if (!header.at)
		return strerror(ENOMEM);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		wrong = strerror(errno);
	} else {
		wrong = exchange(fd, &address, header, configuration);
		close(fd);
	}
	free((void *)header.at);
	return wrong;
}
