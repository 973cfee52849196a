// SPDX-License-Identifier: Apache-2.0
/* `crowd N`: both ends of N connections inside a pod. It takes commands on the standard input, and
 * answers each by a line of JSON:
 *
 *	turn	some messages there and back on each connection, so that both ends want to join
 *		at the same time
 *	busy	one on another connection every millisecond, until the next command
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE 100
#define BACKLOG 64
#define TURNS	12

static int *clients, *servers;

static void die(const char *what)
{
	fprintf(stderr, "crowd: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void open_all(int connections)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int i, one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t length = sizeof(address);

	if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, BACKLOG))
		die("listen");
	getsockname(listener, (struct sockaddr *)&address, &length);
	for (i = 0; i < connections; i++) {
		clients[i] = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(clients[i], (struct sockaddr *)&address, length))
			die("connect");
		servers[i] = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
		if (servers[i] < 0 || fcntl(clients[i], F_SETFL, O_NONBLOCK))
			die("accept");
		setsockopt(clients[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		setsockopt(servers[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	}
}

static void move(int from, int to)
{
	struct pollfd ready = {.fd = to, .events = POLLIN};
	char message[MESSAGE] = {0};
	size_t got = 0;

	if (send(from, message, MESSAGE, MSG_NOSIGNAL) != MESSAGE)
		die("send");
	while (got < MESSAGE) {
		ssize_t more = recv(to, message, MESSAGE - got, 0);

		if (more == 0 || (more < 0 && errno != EAGAIN))
			die("recv");
		if (more < 0)
			poll(&ready, 1, -1);
		else
			got += more;
	}
}

static void take_turn(int i)
{
	move(clients[i], servers[i]);
	move(servers[i], clients[i]);
}

int main(int argc, char **argv)
{
	struct pollfd command = {.fd = STDIN_FILENO, .events = POLLIN};
	int connections = argc > 1 ? atoi(argv[1]) : 1;
	unsigned long turns = 0;
	char line[64];
	int i;

	clients = calloc(connections, sizeof(int));
	servers = calloc(connections, sizeof(int));
	/* poll() would not see input that stdio has read ahead. */
	setvbuf(stdin, NULL, _IONBF, 0);
	open_all(connections);
	printf("{\"event\":\"ready\",\"turns\":0}\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		for (i = 0; !strcmp(line, "turn") && i < connections * TURNS; i++, turns++)
			take_turn(i / TURNS);
		while (!strcmp(line, "busy") && !poll(&command, 1, 1))
			take_turn(turns++ % connections);
		printf("{\"event\":\"%s\",\"turns\":%lu}\n", line, turns);
		fflush(stdout);
	}
	return 0;
}
