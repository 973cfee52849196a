// SPDX-License-Identifier: Apache-2.0
/* `limited GROUP HOME N`: N connections whose servers are charged to the memory of the cgroup
 * GROUP. The program itself is in HOME.
 *
 *	press N SIZE	N times: the client sends messages of SIZE bytes until one is
 *			refused, and the server reads what is there; the value counts
 *			refusals with ENOMEM
 *	fill		the first client sends until the kernel refuses even a small message
 *	strand		the other servers send until they are refused although nothing is under
 *			way; the value counts those that are
 *	free MS		each of these gets an edge in that time; the value counts those that do
 */
#include "groups.h"
#include <sys/epoll.h>

#define MANY (200 * 1000)
/* Less than the smallest send buffer. Up to that, the kernel lets a first send pass. */
#define FEW	   4500
#define STRAND_MAX 16

static int edges, stranded;

static long press(long times, long size)
{
	struct connection *one;
	long refused = 0;

	while (times--)
		for (one = connections; one < connections + count; one++) {
			while (push(one, CLIENT, size, MSG_DONTWAIT))
				;
			refused += failure == ENOMEM;
			if (failure != ENOMEM && failure != EAGAIN)
				return -1;
			while (pull(one, SERVER))
				;
		}
	failure = 0;
	return refused;
}

static long fill(long unused, long unused_too)
{
	(void)unused;
	(void)unused_too;
	while (push(connections, CLIENT, MANY, MSG_DONTWAIT))
		;
	while (push(connections, CLIENT, FEW, MSG_DONTWAIT))
		;
	return 1;
}

/* Takes the edges that have come. */
static int take_edges(int timeout_ms)
{
	struct epoll_event event;
	int taken = 0;

	while (epoll_wait(edges, &event, 1, timeout_ms) == 1)
		taken++;
	return taken;
}

static long strand(long unused, long unused_too)
{
	struct connection *one;
	int i;

	(void)unused;
	(void)unused_too;
	edges = epoll_create1(0);
	for (one = connections + 1; one < connections + count; one++) {
		struct epoll_event event = {.events = EPOLLOUT | EPOLLET};

		if (epoll_ctl(edges, EPOLL_CTL_ADD, one->fds[SERVER], &event))
			die("epoll_ctl");
		take_edges(0);
		for (i = 0; i < STRAND_MAX && push(one, SERVER, FEW, MSG_DONTWAIT); i++)
			while (pull(one, CLIENT))
				;
		stranded += failure == EAGAIN && i < STRAND_MAX;
	}
	take_edges(0);
	failure = 0;
	return stranded;
}

static long await_edges(long patience_ms, long unused)
{
	long until = milliseconds() + patience_ms;
	int freed = 0;

	(void)unused;
	while (freed < stranded && milliseconds() < until)
		freed += take_edges(100);
	close(edges);
	return freed;
}

int main(int argc, char **argv)
{
	static const struct command commands[] = {{"press", press},
						  {"fill", fill},
						  {"strand", strand},
						  {"free", await_edges},
						  {NULL, NULL}};

	if (argc < 4)
		return 2;
	open_in_groups(atoi(argv[3]), argv[1], argv[2]);
	obey(commands);
	return 0;
}
