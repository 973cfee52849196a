// SPDX-License-Identifier: Apache-2.0
/* `preempt SECONDS`: one real-time thread on each processor, which wakes up all the time. So it
 * preempts anything that runs there, even a BPF program where the kernel allows that.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CPUS_MAX 64
#define SLEEP_NS 30000
#define SPIN_NS	 30000

static atomic_int over;

static long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000L + now.tv_nsec;
}

static void *disturb(void *argument)
{
	struct sched_param priority = {.sched_priority = 1};
	struct timespec pause = {.tv_nsec = SLEEP_NS};
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET((long)argument, &one);
	pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
	if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &priority)) {
		fprintf(stderr, "preempt: SCHED_FIFO is not allowed\n");
		exit(1);
	}
	while (!over) {
		long end = now_ns() + SPIN_NS;

		while (now_ns() < end)
			;
		nanosleep(&pause, NULL);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	long cpu, cpus = sysconf(_SC_NPROCESSORS_ONLN);
	pthread_t threads[CPUS_MAX];

	if (cpus > CPUS_MAX)
		cpus = CPUS_MAX;
	for (cpu = 0; cpu < cpus; cpu++)
		pthread_create(&threads[cpu], NULL, disturb, (void *)cpu);
	printf("{\"event\":\"ready\"}\n");
	fflush(stdout);
	sleep(argc > 1 ? atoi(argv[1]) : 10);
	over = 1;
	for (cpu = 0; cpu < cpus; cpu++)
		pthread_join(threads[cpu], NULL);
	printf("{\"event\":\"end\"}\n");
	return 0;
}
