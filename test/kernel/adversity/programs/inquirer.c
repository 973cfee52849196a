// SPDX-License-Identifier: Apache-2.0
/* A server that waits for edges and asks FIONREAD before each receive, as nginx does.
 *
 *	hold N		the server sends N bytes that the client does not read
 *	part		the client sends until a send is cut short, while a SO_RCVLOWAT of the
 *			server keeps it on TCP; then the server reads all of it without FIONREAD
 *	upload N MS	the client sends N bytes and the server reads them: 1 if all arrived in MS
 */
#include "both-ends.h"
#include <sys/epoll.h>
#include <sys/ioctl.h>

#define PATIENCE_MS 60000
#define HUGE	    (8 << 20)

static struct connection *one = &connections[0];
static int edges;

static int inquire(long until)
{
	struct epoll_event event;
	int there;

	for (;;) {
		if (ioctl(one->fds[SERVER], FIONREAD, &there))
			die("FIONREAD");
		if (!there)
			break;
		if (!pull(one, SERVER) && failure != EAGAIN)
			return 0;
	}
	if (one->streams[CLIENT].received == one->streams[CLIENT].sent)
		return 1;
	return epoll_wait(edges, &event, 1, until > milliseconds() ? until - milliseconds() : 0);
}

static long hold(long length, long unused)
{
	(void)unused;
	return put(one, SERVER, length, milliseconds() + PATIENCE_MS);
}

static long upload(long length, long patience_ms)
{
	long until = milliseconds() + patience_ms;

	while (length > 0 || one->streams[CLIENT].received < one->streams[CLIENT].sent) {
		if (length > 0)
			length -= push(one, CLIENT, length < HUGE ? length : HUGE, MSG_DONTWAIT);
		if (!inquire(length > 0 ? milliseconds() + 1 : until) && milliseconds() >= until)
			return 0;
	}
	return 1;
}

static long part(long unused, long unused_too)
{
	(void)unused, (void)unused_too;
	set(one->fds[SERVER], SOL_SOCKET, SO_RCVLOWAT, 2);
	while (push(one, CLIENT, HUGE, MSG_DONTWAIT) == HUGE)
		;
	set(one->fds[SERVER], SOL_SOCKET, SO_RCVLOWAT, 1);
	return get(one, SERVER, milliseconds() + PATIENCE_MS);
}

int main(void)
{
	static const struct command commands[] = {
	    {"hold", hold}, {"part", part}, {"upload", upload}, {NULL, NULL}};
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};

	open_connections(1, SOCK_NONBLOCK);
	edges = epoll_create1(0);
	if (epoll_ctl(edges, EPOLL_CTL_ADD, one->fds[SERVER], &event))
		die("epoll_ctl");
	obey(commands);
	return 0;
}
