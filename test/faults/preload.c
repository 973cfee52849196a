// SPDX-License-Identifier: Apache-2.0
/* An LD_PRELOAD library. It counts the steps that a process takes on the kernel's side of the data
 * path, and lets one of them fail. A step is a bpf(2) command, or a change of a directory below
 * FAULT_PATH. Its name goes to FAULT_LOG before the step is taken. FAULT_STEP names the steps that
 * are counted; * names all. Number FAULT_NTH of these and each later one fails with EIO, or the
 * process dies there (FAULT_HOW=error or kill).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *below, *how = "", *failing = "";
static int left, steps, log_fd = -1;

__attribute__((constructor)) static void begin(void)
{
	const char *nth = getenv("FAULT_NTH"), *log = getenv("FAULT_LOG");

	below = getenv("FAULT_PATH");
	how = getenv("FAULT_HOW") ?: "";
	failing = getenv("FAULT_STEP") ?: "";
	left = nth ? atoi(nth) : 1;
	if (log)
		log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	/* Children of the process run without it. */
	unsetenv("LD_PRELOAD");
}

static void die(void)
{
	kill(getpid(), SIGKILL);
	pause();
}

/* Logs a step. Returns whether it is to fail. */
static int fails(const char *verb, const char *what)
{
	char name[256];

	snprintf(name, sizeof(name), *what ? "%s %s" : "%s", verb, what);
	dprintf(log_fd, "%s\n", name);
	steps++;
	if ((strcmp(failing, "*") && strcmp(name, failing)) || --left > 0)
		return 0;
	if (!strcmp(how, "kill"))
		die();
	errno = EIO;
	return 1;
}

static int ours(const char *path)
{
	return below && !strncmp(path, below, strlen(below));
}

/* The name of a step of bpf(2). NULL for calls that are no step: libbpf's feature probes, and
 * reads. */
static const char *bpf_step(int command, const union bpf_attr *attr, const char **what)
{
	*what = "";
	switch (command) {
	case BPF_MAP_CREATE:
		*what = attr->map_name;
		return strncmp(*what, "meshaccel_", 10) ? NULL : "create";
	case BPF_PROG_LOAD:
		*what = attr->prog_name;
		return strncmp(*what, "meshaccel_", 10) ? NULL : "load";
	case BPF_OBJ_PIN:
		*what = (const char *)attr->pathname;
		return "pin";
	case BPF_OBJ_GET:
		*what = (const char *)attr->pathname;
		return "get";
	case BPF_LINK_CREATE:
	case BPF_RAW_TRACEPOINT_OPEN:
		return steps ? "attach" : NULL;
	case BPF_ITER_CREATE:
		return "iterate";
	case BPF_MAP_UPDATE_ELEM:
		return steps ? "update" : NULL;
	}
	return NULL;
}

long syscall(long number, ...)
{
	static long (*next)(long, ...);
	long arguments[6];
	const char *verb = NULL, *what;
	va_list list;
	int i;

	va_start(list, number);
	for (i = 0; i < 6; i++)
		arguments[i] = va_arg(list, long);
	va_end(list);
	if (!next)
		next = dlsym(RTLD_NEXT, "syscall");
	if (number == SYS_bpf)
		verb = bpf_step(arguments[0], (void *)arguments[1], &what);
	if (verb && fails(verb, what))
		return -1;
	return next(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
		    arguments[5]);
}

#define STEP(name, parameters, path, ...)                                                          \
	int name parameters                                                                        \
	{                                                                                          \
		static int(*next) parameters;                                                      \
                                                                                                   \
		if (!next)                                                                         \
			next = dlsym(RTLD_NEXT, #name);                                            \
		if (!ours(path))                                                                   \
			return next(__VA_ARGS__);                                                  \
		return fails(#name, path) ? -1 : next(__VA_ARGS__);                                \
	}

STEP(mkdir, (const char *path, mode_t mode), path, path, mode)
STEP(rmdir, (const char *path), path, path)
STEP(unlink, (const char *path), path, path)
STEP(rename, (const char *from, const char *to), from, from, to)

/* A new file has its content by then, but not its name. */
int fchmod(int fd, mode_t mode)
{
	static int (*next)(int, mode_t);
	char link[64], path[4096];
	ssize_t length;

	if (!next)
		next = dlsym(RTLD_NEXT, "fchmod");
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof(path) - 1);
	path[length < 0 ? 0 : length] = 0;
	if (ours(path) && fails("fchmod", path))
		return -1;
	return next(fd, mode);
}
