// SPDX-License-Identifier: Apache-2.0
/* A reader that pauses under an upload, then reads on.
 *
 *	buffer N	SO_RCVBUF of the first connection's server
 *	fill SIZE	each client sends messages of SIZE bytes until one is refused
 *	accepted MS	waits until the servers' kernel has accepted all segments: the value counts
 *			those that it has not accepted after MS
 */
#include "both-ends.h"

static long buffer(long bytes, long unused)
{
	(void)unused;
	set(connections[0].fds[SERVER], SOL_SOCKET, SO_RCVBUF, bytes);
	return 1;
}

/* A refused send may have taken the last room of a moment. */
#define ROOM_MS 500

static long fill(long size, long unused)
{
	struct connection *one;
	long bytes = 0;

	(void)unused;
	for (one = connections; one < connections + count; one++)
		do {
			size_t sent = push(one, CLIENT, size, MSG_DONTWAIT);

			bytes += sent;
			if (!sent && failure != EAGAIN)
				return -1;
		} while (wait_for(one->fds[CLIENT], POLLOUT, milliseconds() + ROOM_MS) == 1);
	failure = 0;
	return bytes;
}

static long unacknowledged(void)
{
	struct connection *one;
	long sum = 0;

	for (one = connections; one < connections + count; one++) {
		struct tcp_info info;
		socklen_t length = sizeof(info);

		if (getsockopt(one->fds[CLIENT], SOL_TCP, TCP_INFO, &info, &length))
			die("TCP_INFO");
		sum += info.tcpi_unacked;
	}
	return sum;
}

static long accepted(long ms, long unused)
{
	long until = milliseconds() + ms;

	(void)unused;
	while (unacknowledged() && milliseconds() < until)
		usleep(1000);
	return unacknowledged();
}

int main(void)
{
	static const struct command commands[] = {
	    {"buffer", buffer}, {"fill", fill}, {"accepted", accepted}, {NULL, NULL}};

	open_connections(2, SOCK_NONBLOCK);
	obey(commands);
	return 0;
}
