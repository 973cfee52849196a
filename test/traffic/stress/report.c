// SPDX-License-Identifier: Apache-2.0
/* Prints all results so far as one line of JSON. */
#include "stress.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct connection **tracked;
static size_t count, closed;
static char first_error[256];

void report_track(struct connection *c)
{
	pthread_mutex_lock(&lock);
	if (count % 1024 == 0)
		tracked = realloc(tracked, (count + 1024) * sizeof(*tracked));
	tracked[count++] = c;
	pthread_mutex_unlock(&lock);
}

/* Keeps the first error only, which says most: a failed connection makes its peer fail. */
void report_error(const char *text)
{
	pthread_mutex_lock(&lock);
	if (!first_error[0])
		snprintf(first_error, sizeof(first_error), "%s", text);
	pthread_mutex_unlock(&lock);
}

void report_outcome(void)
{
	pthread_mutex_lock(&lock);
	closed++;
	pthread_mutex_unlock(&lock);
	kill(getpid(), SIGCHLD);
}

bool report_all_done(void)
{
	bool done;

	pthread_mutex_lock(&lock);
	done = closed == count;
	pthread_mutex_unlock(&lock);
	return done;
}

void report_print(const char *event)
{
	unsigned long sent = 0, received = 0, steps = 0, slowest = -1UL;
	size_t outcomes[3] = {0}, cut_short = 0, i;

	pthread_mutex_lock(&lock);
	for (i = 0; i < count; i++) {
		struct connection *c = tracked[i];
		int outcome = atomic_load(&c->outcome);
		unsigned long own = atomic_load(&c->steps);

		outcomes[outcome]++;
		sent += atomic_load(&c->sent);
		received += atomic_load(&c->received);
		steps += own;
		cut_short += atomic_load(&c->cut_short);
		if (outcome == OPEN && own < slowest)
			slowest = own;
	}
	printf("{\"event\":\"%s\",\"connections\":%zu,\"open\":%zu,\"finished\":%zu,\"failed\":%zu,"
	       "\"cutShort\":%zu,\"sent\":%lu,\"received\":%lu,\"steps\":%lu,\"slowest\":%lu,"
	       "\"error\":\"%s\"}\n",
	       event, count, outcomes[OPEN], outcomes[FINISHED], outcomes[FAILED], cut_short, sent,
	       received, steps, outcomes[OPEN] ? slowest : 0, first_error);
	fflush(stdout);
	pthread_mutex_unlock(&lock);
}
