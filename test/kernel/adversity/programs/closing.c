// SPDX-License-Identifier: Apache-2.0
/* `closing GROUP HOME`: a message whose first part is queued at its reader, which then closes. The
 * server is charged to the memory of the cgroup GROUP. The program itself is in HOME.
 *
 *	begin		a thread of the server holds its lock in a receive, and so a thread of the
 *			client waits inside the send of a long message. Another thread waits for the
 *			client's lock. It takes it once the first part is queued, and holds it in a
 *			page fault: 1 once this is so
 *	close		the server resets the connection
 *	end		the page is there: the value is the result of the long send
 *	strangers N	opens N connections
 *	astray		counts bytes that they have got without a send
 */
#include "both-ends.h"
#include "faults.h"
#include "groups.h"
#include <pthread.h>

#define PATIENCE_MS 60000
#define LONG_BYTES  200000

static struct connection target;
static struct faulting in_receive, in_send;
static struct {
	pthread_t thread;
	atomic_int id;
	ssize_t result;
} sending;
static pthread_t receiving, following;

static void *receive(void *unused)
{
	(void)unused;
	if (recv(target.fds[SERVER], in_receive.page, TURN, 0) != TURN)
		die("recv over a fault");
	return NULL;
}

static void *send_long(void *unused)
{
	static unsigned char bytes[LONG_BYTES];

	(void)unused;
	sending.id = gettid();
	sending.result = send(target.fds[CLIENT], bytes, LONG_BYTES, MSG_NOSIGNAL | MSG_DONTWAIT);
	return NULL;
}

static void *send_from_fault(void *unused)
{
	(void)unused;
	send(target.fds[CLIENT], in_send.page, TURN, MSG_NOSIGNAL | MSG_DONTWAIT);
	return NULL;
}

static long begin(long unused, long unused_too)
{
	long until = milliseconds() + PATIENCE_MS;

	(void)unused, (void)unused_too;
	target = connections[--count];
	if (!push(&target, CLIENT, TURN, MSG_DONTWAIT))
		return 0;
	pthread_create(&receiving, NULL, receive, NULL);
	if (!faults_within(&in_receive, PATIENCE_MS))
		return 0;
	pthread_create(&sending.thread, NULL, send_long, NULL);
	if (!comes_to_wait(&sending.id, until))
		return 0;
	pthread_create(&following, NULL, send_from_fault, NULL);
	if (!faults_within(&in_send, PATIENCE_MS))
		return 0;
	resolve(&in_receive);
	pthread_join(receiving, NULL);
	/* It has queued what fits, and waits for its own lock. */
	return wait_for(target.fds[SERVER], POLLIN, until) == 1 &&
	       comes_to_wait(&sending.id, until);
}

static long close_reader(long unused, long unused_too)
{
	struct linger linger = {.l_onoff = 1};

	(void)unused, (void)unused_too;
	if (setsockopt(target.fds[SERVER], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) ||
	    close(target.fds[SERVER]))
		die("close");
	return 1;
}

static long end(long unused, long unused_too)
{
	(void)unused, (void)unused_too;
	resolve(&in_send);
	pthread_join(following, NULL);
	pthread_join(sending.thread, NULL);
	close(target.fds[CLIENT]);
	return sending.result;
}

static long strangers(long number, long unused)
{
	(void)unused;
	open_connections(number, SOCK_NONBLOCK);
	return count;
}

static long astray(long unused, long unused_too)
{
	unsigned char bytes[CHUNK];
	long sum = 0;
	int i;

	(void)unused, (void)unused_too;
	for (i = 0; i < 2 * count; i++) {
		ssize_t done = recv(connections[i / 2].fds[i % 2], bytes, sizeof(bytes), 0);

		sum += done > 0 ? done : 0;
	}
	return sum;
}

int main(int argc, char **argv)
{
	static const struct command commands[] = {{"begin", begin},   {"close", close_reader},
						  {"end", end},	      {"strangers", strangers},
						  {"astray", astray}, {NULL, NULL}};

	if (argc < 3)
		return 2;
	watch_page(&in_receive);
	watch_page(&in_send);
	open_in_groups(1, argv[1], argv[2]);
	obey(commands);
	return 0;
}
