// SPDX-License-Identifier: Apache-2.0
/* meshaccel-walk PARENT: walks over the TCP sockets of network namespaces for the agent. PARENT is
 * the agent's process id.
 *
 * The kernel takes the lock of each socket that it walks over. A process that faults inside recv()
 * holds its socket's lock for as long as it likes. The wait for the lock cannot be interrupted. So
 * this process waits in place of the agent. It shares only two pipes with the agent.
 *
 * It is written in C and linked statically, so that a process that waits costs little memory.
 *
 * A request on the standard input is a number of bytes (u32) and two paths, each with its final 0.
 * The first path is a pinned iterator link, the second a network namespace. Each answer on the
 * standard output is a number of frames: struct frame, and its bytes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* Room for two paths. */
#define MAX_REQUEST 8192
/* The kernel fills at most 32 KiB at a time (bpf_seq_read: eight pages). */
#define MAX_PIECE (32 << 10)

/* The same numbers are in walk-process.ts. */
enum frame_kind {
	PIECE,	     /* output of the iterator; more follows */
	END,	     /* the walk is complete */
	FAILED_OPEN, /* these end the walk with an errno */
	FAILED_PIN,
	FAILED_ENTER,
	FAILED_START,
	FAILED_READ,
};

struct frame {
	uint32_t kind;
	uint32_t error;
	uint32_t length;
};

static char request[MAX_REQUEST];
static char piece[MAX_PIECE];
static int home;

/* Exits at the end of the input: then the agent has no more requests. */
static void read_exactly(void *to, size_t length)
{
	while (length) {
		ssize_t got = read(STDIN_FILENO, to, length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			exit(got < 0);
		to = (char *)to + got;
		length -= got;
	}
}

static void write_frame(enum frame_kind kind, int error, size_t length)
{
	struct frame frame = {.kind = kind, .error = error, .length = length};
	struct iovec parts[] = {{&frame, sizeof(frame)}, {piece, length}};
	struct iovec *part = parts, *end = parts + 2;

	while (part < end) {
		ssize_t done = writev(STDOUT_FILENO, part, end - part);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			exit(1);
		for (; part < end && (size_t)done >= part->iov_len; part++)
			done -= part->iov_len;
		if (part < end) {
			part->iov_base = (char *)part->iov_base + done;
			part->iov_len -= done;
		}
	}
}

static int bpf(enum bpf_cmd command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static int open_pin(const char *path)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.pathname = (uintptr_t)path;
	return bpf(BPF_OBJ_GET, &attr);
}

static int start(int link)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.iter_create.link_fd = link;
	return bpf(BPF_ITER_CREATE, &attr);
}

/* The walk belongs to the namespace in which it is created. This process returns home before the
 * walk begins, since the walk may wait for long. Successful calls leave errno alone. */
static enum frame_kind create(int away, int link, int *walk)
{
	if (setns(away, CLONE_NEWNET))
		return FAILED_ENTER;
	*walk = start(link);
	/* Otherwise all further work would happen in a pod's network. */
	if (setns(home, CLONE_NEWNET))
		abort();
	return *walk < 0 ? FAILED_START : END;
}

static enum frame_kind read_all(int walk)
{
	for (;;) {
		ssize_t got = read(walk, piece, sizeof(piece));

		/* EAGAIN: the kernel pauses after a million elements without output. */
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (got < 0)
			return FAILED_READ;
		if (got == 0)
			return END;
		write_frame(PIECE, 0, got);
	}
}

static enum frame_kind obey(const char *pin, const char *netns)
{
	enum frame_kind result;
	int link, walk, away = open(netns, O_RDONLY | O_CLOEXEC);

	if (away < 0)
		return FAILED_OPEN;
	link = open_pin(pin);
	result = link < 0 ? FAILED_PIN : create(away, link, &walk);
	close(away);
	if (link >= 0)
		close(link);
	if (result != END)
		return result;
	result = read_all(walk);
	close(walk);
	return result;
}

int main(int argc, char **argv)
{
	/* A signal may go to both processes, and the agent may still have requests. So only the
	 * agent ends this process. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if (argc != 2 || prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != atoi(argv[1]))
		return 1;
	home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (home < 0)
		return 1;
	for (;;) {
		enum frame_kind result;
		uint32_t length;
		size_t first;

		read_exactly(&length, sizeof(length));
		if (length < 2 || length > sizeof(request))
			return 1;
		read_exactly(request, length);
		first = strnlen(request, length);
		if (first + 1 >= length || request[length - 1])
			return 1;
		result = obey(request, request + first + 1);
		write_frame(result, result == END ? 0 : errno, 0);
	}
}
