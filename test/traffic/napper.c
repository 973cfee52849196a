// SPDX-License-Identifier: Apache-2.0
/* Both ends of one connection inside a pod. The server may sleep between the event that it can read
 * and its read. It takes commands on the standard input. It answers each by a line of JSON, with
 * the errno of a failure:
 *
 *	turn	a message there and the same one back
 *	nap	the same, but before its read the server sleeps for a second in a poll that does not
 *		wait for reading, as programs do that push back
 *	bye	the same, and the client half-closes, so that the server reads the message and the
 *		end of file at once
 */
#include "loopback.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#define MESSAGE 100
#define NAP_MS	1000

static int client, server;
static atomic_int nap;

static void *serve(void *unused)
{
	struct pollfd ready = {.fd = server, .events = POLLIN};
	struct pollfd hung_up = {.fd = server, .events = POLLRDHUP};
	char message[MESSAGE];

	(void)unused;
	for (;;) {
		ssize_t got;

		if (poll(&ready, 1, -1) < 0)
			die("poll");
		if (atomic_exchange(&nap, 0))
			poll(&hung_up, 1, NAP_MS);
		got = recv(server, message, sizeof(message), 0);
		if (got < 0 && errno == EAGAIN)
			continue;
		if (got <= 0 || send(server, message, got, MSG_NOSIGNAL) != got)
			return NULL;
	}
}

static int take_turn(int last)
{
	char message[MESSAGE] = {0};
	size_t got = 0;

	if (send(client, message, sizeof(message), MSG_NOSIGNAL) != MESSAGE ||
	    (last && shutdown(client, SHUT_WR)))
		return errno;
	while (got < sizeof(message)) {
		ssize_t more = recv(client, message, sizeof(message) - got, 0);

		if (more <= 0)
			return more ? errno : ECONNABORTED;
		got += more;
	}
	return 0;
}

int main(void)
{
	pthread_t thread;
	char line[64];

	connect_both(&client, &server, SOCK_NONBLOCK);
	pthread_create(&thread, NULL, serve, NULL);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		nap = strcmp(line, "turn");
		printf("{\"event\":\"%s\",\"error\":%d}\n", line, take_turn(!strcmp(line, "bye")));
		fflush(stdout);
	}
	return 0;
}
