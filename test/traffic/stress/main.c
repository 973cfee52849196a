// SPDX-License-Identifier: Apache-2.0
/* Usage: stress client|server OPTION=VALUE... (see options.c)
 *
 * Prints a line of JSON when it is ready, for each SIGUSR1, and at its end. SIGTERM ends a server
 * at once. It ends a client once every connection has completed its step. SIGUSR2 makes a client's
 * connections send streams of small messages. It makes a server's readers use the habit turn=.
 */
#define _GNU_SOURCE
#include "stress.h"
#include "sockets.h"
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

atomic_bool stopping, streaming;

static void *run_one(void *c)
{
	run_blocking(c);
	return NULL;
}

static void start_thread(void *(*run)(void *), void *arg)
{
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, 64 << 10);
	if (pthread_create(&thread, &attributes, run, arg))
		die("pthread_create");
}

static void start_connection(struct connection *c)
{
	if (c->mode == MODE_LEVEL || c->mode == MODE_EDGE)
		events_add(c);
	else
		start_thread(run_one, c);
}

static struct connection *new_connection(int fd, uint32_t index)
{
	struct connection *c = calloc(1, sizeof(*c));

	connection_init(c, fd, index);
	if (c->mode == MODE_LEVEL || c->mode == MODE_EDGE)
		make_nonblocking(fd);
	report_track(c);
	return c;
}

static void *accept_all(void *arg)
{
	int listener = *(int *)arg;
	uint32_t index = 0;

	for (;;)
		start_connection(new_connection(accept_one(listener), index++));
	return NULL;
}

static void connect_all(void)
{
	struct connection **all = calloc(options.connections, sizeof(*all));
	uint32_t i;

	for (i = 0; i < options.connections; i++)
		all[i] = new_connection(connect_one(i), i);
	for (i = 0; i < options.connections; i++)
		start_connection(all[i]);
	free(all);
}

int main(int argc, char **argv)
{
	static int listener;
	sigset_t signals;
	int signal;

	parse_options(argc, argv);
	if (options.gid && setgid(options.gid))
		die("setgid");
	if (options.uid && setuid(options.uid))
		die("setuid");
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGUSR2);
	sigaddset(&signals, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);

	events_open();
	start_thread(run_events, NULL);
	if (options.client) {
		connect_all();
	} else {
		listener = listen_on();
		start_thread(accept_all, &listener);
	}
	report_print("ready");

	while (!sigwait(&signals, &signal)) {
		if (signal == SIGUSR1)
			report_print("progress");
		else if (signal == SIGUSR2)
			atomic_store(&streaming, true);
		else if (signal == SIGTERM)
			atomic_store(&stopping, true);
		if (atomic_load(&stopping) && (!options.client || report_all_done()))
			break;
	}
	report_print("end");
	return 0;
}
