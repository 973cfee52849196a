// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "task.h"
#include "probe.h"
#include <pthread.h>

#define TASKS 16
#define LINES 32

struct task {
	pthread_t thread;
	void (*run)(void);
	volatile pid_t tid;
	char *lines[LINES];
	int count;
};

static struct task tasks[TASKS];
static int started;
static __thread struct task *current;

struct task *current_task(void)
{
	return current;
}

void task_keep(struct task *task, const char *text)
{
	if (task->count < LINES)
		task->lines[task->count++] = strdup(text);
}

static void flush(struct task *task)
{
	int i;

	for (i = 0; i < task->count; i++)
		say("thread: %s", task->lines[i]);
	task->count = 0;
}

void tasks_flush(void)
{
	int i;

	for (i = 0; i < started; i++)
		flush(&tasks[i]);
}

static void *run(void *argument)
{
	struct task *task = argument;
	sigset_t signals;

	/* The case blocks the signals that its tasks should get. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
	current = task;
	task->tid = gettid();
	task->run();
	return NULL;
}

struct task *start(void (*function)(void))
{
	struct task *task = &tasks[started++];

	task->run = function;
	if (pthread_create(&task->thread, NULL, run, task))
		die("pthread_create");
	while (!task->tid)
		usleep(100);
	return task;
}

/* The kernel reports `running`, or the number of the system call in which the task sleeps. */
void until_asleep_in(struct task *task, long call)
{
	char path[64], line[256];
	int looks = 0;

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", task->tid);
	while (looks < 3) {
		FILE *file = fopen(path, "r");

		/* The task has ended. */
		if (!file)
			return;
		if (!fgets(line, sizeof(line), file))
			line[0] = '\0';
		fclose(file);
		looks = line[0] != 'r' && atol(line) == call ? looks + 1 : 0;
		usleep(1000);
	}
}

void finish(struct task *task)
{
	pthread_join(task->thread, NULL);
	flush(task);
}

void interrupt_with(struct task *task, int signal)
{
	pthread_kill(task->thread, signal);
}
