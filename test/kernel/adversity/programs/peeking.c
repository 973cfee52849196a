// SPDX-License-Identifier: Apache-2.0
/* A reader that peeks until a whole record is there, then takes it.
 *
 *	send N		the client sends N messages of one byte
 *	record N MS	the server polls and peeks until N bytes are there, then takes them: the
 *value is N, 0 if the connection fails, -1 if it still waits after MS
 *	wait		the client sends two bytes, and three more while the server waits for five
 *in one peek with MSG_WAITALL: the value is what the peek returned, 0 if the connection fails
 *afterwards
 */
#include "both-ends.h"
#include <pthread.h>

static struct connection *one = &connections[0];

static long send_bytes(long n, long unused)
{
	long i;

	(void)unused;
	for (i = 0; i < n; i++)
		if (!push(one, CLIENT, 1, MSG_DONTWAIT))
			return 0;
	return 1;
}

static long record(long n, long patience_ms)
{
	long until = milliseconds() + patience_ms;
	struct pollfd server = {.fd = one->fds[SERVER], .events = POLLIN};
	unsigned char bytes[CHUNK];

	while (milliseconds() < until) {
		if (poll(&server, 1, 100) && server.revents & (POLLERR | POLLHUP))
			return 0;
		if (recv(one->fds[SERVER], bytes, n, MSG_PEEK | MSG_DONTWAIT) == n)
			return pull(one, SERVER);
	}
	return -1;
}

static void *send_rest(void *unused)
{
	(void)unused;
	usleep(100000);
	send_bytes(3, 0);
	return NULL;
}

static long wait_peeking(long unused, long unused_too)
{
	unsigned char bytes[5];
	pthread_t rest;
	long seen;

	(void)unused, (void)unused_too;
	fcntl(one->fds[SERVER], F_SETFL, 0);
	send_bytes(2, 0);
	pthread_create(&rest, NULL, send_rest, NULL);
	seen = recv(one->fds[SERVER], bytes, sizeof(bytes), MSG_PEEK | MSG_WAITALL);
	pthread_join(rest, NULL);
	fcntl(one->fds[SERVER], F_SETFL, O_NONBLOCK);
	return seen;
}

int main(void)
{
	static const struct command commands[] = {
	    {"send", send_bytes}, {"record", record}, {"wait", wait_peeking}, {NULL, NULL}};

	open_connections(1, SOCK_NONBLOCK);
	obey(commands);
	return 0;
}
