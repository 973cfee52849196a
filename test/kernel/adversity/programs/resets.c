// SPDX-License-Identifier: Apache-2.0
/* `resets N`: both ends of N connections inside a pod, on loopback. Commands on the standard input;
 * each is answered by a line of JSON:
 *
 *	open	N new connections
 *	turn	a message there and back on each, several times
 *	reset	one thread on each processor resets a share of them, so that resets arrive while
 *		others are sent; the peers are closed afterwards
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE	 100
#define TURNS	 6
#define CPUS_MAX 64
#define BACKLOG	 4096

static int *clients, *servers, connections, cpus;
static pthread_barrier_t begin;

static void die(const char *what)
{
	fprintf(stderr, "resets: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void open_all(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int i, one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t length = sizeof(address);

	if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, BACKLOG))
		die("listen");
	getsockname(listener, (struct sockaddr *)&address, &length);
	for (i = 0; i < connections; i++) {
		clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (clients[i] < 0)
			die("socket");
		if (connect(clients[i], (struct sockaddr *)&address, length) &&
		    errno != EINPROGRESS)
			die("connect");
		servers[i] = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
		if (servers[i] < 0)
			die("accept");
		setsockopt(clients[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		setsockopt(servers[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	}
	close(listener);
}

static void move(int from, int to)
{
	char message[MESSAGE] = {0};
	size_t got = 0;

	while (send(from, message, MESSAGE, MSG_NOSIGNAL) < 0)
		if (errno != EAGAIN)
			die("send");
	while (got < MESSAGE) {
		ssize_t more = recv(to, message, MESSAGE - got, 0);

		if (more == 0 || (more < 0 && errno != EAGAIN))
			die("recv");
		if (more > 0)
			got += more;
		else
			sched_yield();
	}
}

static void turn_all(void)
{
	int turn, i;

	for (turn = 0; turn < TURNS; turn++)
		for (i = 0; i < connections; i++) {
			move(clients[i], servers[i]);
			move(servers[i], clients[i]);
		}
}

static void *reset_share(void *argument)
{
	struct linger at_once = {.l_onoff = 1};
	long cpu = (long)argument;
	cpu_set_t one;
	int i;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
	pthread_barrier_wait(&begin);
	for (i = cpu; i < connections; i += cpus) {
		/* Alternates between the two ends. */
		int fd = i / cpus % 2 ? clients[i] : servers[i];

		setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		close(fd);
	}
	return NULL;
}

static void reset_all(void)
{
	pthread_t threads[CPUS_MAX];
	long cpu;
	int i;

	pthread_barrier_init(&begin, NULL, cpus);
	for (cpu = 0; cpu < cpus; cpu++)
		pthread_create(&threads[cpu], NULL, reset_share, (void *)cpu);
	for (cpu = 0; cpu < cpus; cpu++)
		pthread_join(threads[cpu], NULL);
	for (i = 0; i < connections; i++)
		close(i / cpus % 2 ? servers[i] : clients[i]);
}

int main(int argc, char **argv)
{
	char line[64];

	connections = argc > 1 ? atoi(argv[1]) : 100;
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (cpus > CPUS_MAX)
		cpus = CPUS_MAX;
	clients = calloc(connections, sizeof(*clients));
	servers = calloc(connections, sizeof(*servers));
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		if (!strcmp(line, "open"))
			open_all();
		else if (!strcmp(line, "turn"))
			turn_all();
		else if (!strcmp(line, "reset"))
			reset_all();
		printf("{\"event\":\"%s\"}\n", line);
		fflush(stdout);
	}
	return 0;
}
