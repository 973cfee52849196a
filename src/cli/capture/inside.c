// SPDX-License-Identifier: Apache-2.0
/* meshaccel-inside PARENT NETNS COOKIE COMMAND [ARGUMENT...]: runs a command in a network namespace
 * for `meshaccel capture`. PARENT is the process id of that command.
 *
 * The command ends when its parent ends, even by SIGKILL. The kernel forgets the death signal of a
 * process that changes its user, as tcpdump does. So this process stays between the two, keeps its
 * user, and passes the end on.
 *
 * It is linked statically, because it runs in containers of any C library.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The same numbers are in inside.ts. */
enum failure {
	FAILED = 120,	/* this process made a mistake or lost its parent */
	NO_NETNS = 121, /* the namespace cannot be entered */
	OTHER = 122,	/* the path opens another namespace by now */
	NO_COMMAND = 123,
};

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

static volatile pid_t child;
static volatile sig_atomic_t asked;

/* The first request lets the command finish its output. The second one does not wait for it. */
static void pass_on(int number)
{
	(void)number;
	if (child > 0)
		kill(child, asked++ ? SIGKILL : SIGTERM);
}

static enum failure fail(enum failure why, const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	return why;
}

static uint64_t netns_cookie(void)
{
	uint64_t cookie = 0;
	socklen_t length = sizeof(cookie);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length))
		cookie = 0;
	close(fd);
	return cookie;
}

static int run(char **command, const sigset_t *before)
{
	struct sigaction action = {.sa_handler = pass_on};
	int status;

	child = fork();
	if (child < 0)
		return fail(FAILED, "fork");
	if (!child) {
		sigprocmask(SIG_SETMASK, before, NULL);
		execvp(*command, command);
		_exit(fail(NO_COMMAND, *command));
	}
	sigaction(SIGTERM, &action, NULL);
	sigprocmask(SIG_SETMASK, before, NULL);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return fail(FAILED, "wait");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	sigset_t all, before;
	int netns;

	/* A signal that comes before the command has begun waits for it. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	if (argc < 5 || prctl(PR_SET_PDEATHSIG, SIGTERM) || getppid() != atoi(argv[1]))
		return FAILED;
	netns = open(argv[2], O_RDONLY | O_CLOEXEC);
	if (netns < 0 || setns(netns, CLONE_NEWNET))
		return fail(NO_NETNS, argv[2]);
	close(netns);
	if (netns_cookie() != strtoull(argv[3], NULL, 10))
		return OTHER;
	return run(argv + 4, &before);
}
