// SPDX-License-Identifier: Apache-2.0
/* Sockets that live on after their connection. It takes commands on the standard input, and answers
 * each by a line of JSON:
 *
 *	turns N		N bytes there and back on each connection
 *	leave		the connections end, with bytes that the readers have not read
 *	misread		each reader receives one of these bytes with MSG_WAITALL
 *	reconnect	the readers are disconnected, and connect to the listener
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS 8
#define UNREAD	    4096

static int listener, senders[CONNECTIONS], readers[CONNECTIONS];
static struct sockaddr_in address = {.sin_family = AF_INET};

static void die(const char *what)
{
	fprintf(stderr, "stale: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void set(int fd, int level, int option, int value)
{
	if (setsockopt(fd, level, option, &value, sizeof(value)))
		die("setsockopt");
}

static void connect_to_listener(int fd)
{
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		die("connect");
	set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

static int accepted(void)
{
	int fd = accept(listener, NULL, NULL);

	if (fd < 0)
		die("accept");
	set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	return fd;
}

static void move(int from, int to)
{
	char byte = 'x';

	if (send(from, &byte, 1, MSG_NOSIGNAL) != 1 || recv(to, &byte, 1, 0) != 1)
		die("move");
}

/* Waits until the kernel has closed the socket, whose descriptor stays. */
static void await_close(int fd)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);

	do {
		if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length))
			die("TCP_INFO");
	} while (info.tcpi_state != TCP_CLOSE);
}

static void leave(int i)
{
	char unread[UNREAD] = "";

	/* The next sends take TCP. */
	set(readers[i], SOL_SOCKET, SO_RCVLOWAT, 2);
	if (send(senders[i], unread, UNREAD, MSG_NOSIGNAL) != UNREAD)
		die("send");
	shutdown(senders[i], SHUT_WR);
	shutdown(readers[i], SHUT_WR);
	await_close(readers[i]);
	close(senders[i]);
}

static void reconnect(int i)
{
	struct sockaddr nobody = {.sa_family = AF_UNSPEC};

	if (connect(readers[i], &nobody, sizeof(nobody)))
		die("disconnect");
	set(readers[i], SOL_SOCKET, SO_RCVLOWAT, 1);
	connect_to_listener(readers[i]);
	senders[i] = accepted();
}

int main(void)
{
	socklen_t length = sizeof(address);
	char line[64];
	int i;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, CONNECTIONS))
		die("listen");
	getsockname(listener, (struct sockaddr *)&address, &length);
	for (i = 0; i < CONNECTIONS; i++) {
		senders[i] = socket(AF_INET, SOCK_STREAM, 0);
		connect_to_listener(senders[i]);
		readers[i] = accepted();
	}
	while (fgets(line, sizeof(line), stdin)) {
		char command[16] = "", byte;
		long times = 0, time;

		sscanf(line, "%15s %ld", command, &times);
		for (i = 0; i < CONNECTIONS; i++) {
			for (time = 0; time < times; time++) {
				move(senders[i], readers[i]);
				move(readers[i], senders[i]);
			}
			if (!strcmp(command, "leave"))
				leave(i);
			else if (!strcmp(command, "misread")) {
				if (recv(readers[i], &byte, 1, MSG_WAITALL) != 1)
					die("misread");
			} else if (!strcmp(command, "reconnect"))
				reconnect(i);
		}
		printf("{\"event\":\"%s\"}\n", command);
		fflush(stdout);
	}
	return 0;
}
