// SPDX-License-Identifier: Apache-2.0
/* `tracer PID`: attaches to every thread of a process and detaches again, as `gdb -p` does. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#define THREADS_MAX 64

static void die(const char *what)
{
	fprintf(stderr, "tracer: %s: %s\n", what, strerror(errno));
	exit(1);
}

int main(int argc, char **argv)
{
	int threads[THREADS_MAX], count = 0, i;
	struct dirent *entry;
	char path[64];
	DIR *tasks;

	if (argc < 2)
		return 2;
	snprintf(path, sizeof(path), "/proc/%d/task", atoi(argv[1]));
	tasks = opendir(path);
	if (!tasks)
		die(path);
	while ((entry = readdir(tasks)) && count < THREADS_MAX)
		if (entry->d_name[0] != '.')
			threads[count++] = atoi(entry->d_name);
	for (i = 0; i < count; i++) {
		if (ptrace(PTRACE_ATTACH, threads[i], NULL, NULL))
			die("PTRACE_ATTACH");
		if (waitpid(threads[i], NULL, __WALL) != threads[i])
			die("waitpid");
	}
	for (i = 0; i < count; i++)
		if (ptrace(PTRACE_DETACH, threads[i], NULL, NULL))
			die("PTRACE_DETACH");
	printf("{\"event\":\"detached\"}\n");
	return 0;
}
