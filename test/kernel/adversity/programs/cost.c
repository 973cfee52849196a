// SPDX-License-Identifier: Apache-2.0
/* Measures what an operation costs, in nanoseconds. In a guest whose clock counts instructions that
 * is the number of instructions. Each command takes the number of operations of a round, and
 *answers the least of ROUNDS rounds: other work of the machine makes a round longer, never shorter.
 *
 *	nothing N	a system call that does nothing
 *	ask N		FIONREAD on the server's socket
 *	message N	a message of MESSAGE bytes to the server, which reads it
 *	splice N	the same, but the server splices it into a pipe
 */
#include "both-ends.h"
#include <sys/ioctl.h>
#include <sys/syscall.h>

#define ROUNDS	20
#define MESSAGE 100

static char bytes[MESSAGE];
static int ends[2];

static void nothing(void)
{
	syscall(SYS_getppid);
}

static void ask(void)
{
	int there;

	if (ioctl(connections[0].fds[SERVER], FIONREAD, &there))
		die("FIONREAD");
}

static void send_one(void)
{
	if (send(connections[0].fds[CLIENT], bytes, MESSAGE, MSG_NOSIGNAL) != MESSAGE)
		die("send");
}

static void message(void)
{
	send_one();
	while (recv(connections[0].fds[SERVER], bytes, MESSAGE, 0) < 0)
		if (errno != EAGAIN)
			die("recv");
	/* An answer, so that it is no stream. */
	if (send(connections[0].fds[SERVER], bytes, MESSAGE, MSG_NOSIGNAL) != MESSAGE)
		die("send");
	while (recv(connections[0].fds[CLIENT], bytes, MESSAGE, 0) < 0)
		if (errno != EAGAIN)
			die("recv");
}

static void spliced(void)
{
	send_one();
	while (splice(connections[0].fds[SERVER], NULL, ends[1], NULL, MESSAGE, 0) < 0)
		if (errno != EAGAIN)
			die("splice");
	if (read(ends[0], bytes, MESSAGE) != MESSAGE)
		die("read");
}

static long nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000L + now.tv_nsec;
}

static long measure(void (*operation)(void), long times)
{
	long least = 0, took, i;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		took = -nanoseconds();
		for (i = 0; i < times; i++)
			operation();
		took += nanoseconds();
		if (!round || took < least)
			least = took;
	}
	return least / times;
}

static long measure_nothing(long times, long unused)
{
	(void)unused;
	return measure(nothing, times);
}

static long measure_ask(long times, long unused)
{
	(void)unused;
	return measure(ask, times);
}

static long measure_message(long times, long unused)
{
	(void)unused;
	return measure(message, times) / 2;
}

static long measure_splice(long times, long unused)
{
	(void)unused;
	return measure(spliced, times);
}

int main(void)
{
	static const struct command commands[] = {{"nothing", measure_nothing},
						  {"ask", measure_ask},
						  {"message", measure_message},
						  {"splice", measure_splice},
						  {NULL, NULL}};

	if (pipe(ends))
		die("pipe");
	open_connections(1, SOCK_NONBLOCK);
	obey(commands);
	return 0;
}
