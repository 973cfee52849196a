/* SPDX-License-Identifier: Apache-2.0 */
/* System calls that page-fault. They hold the lock of their socket until the fault is resolved. */
#ifndef FAULTS_H
#define FAULTS_H

#include "both-ends.h"
#include <linux/userfaultfd.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define PAGE 4096

struct faulting {
	unsigned char *page;
	/* The userfaultfd. */
	int fd;
};

static void watch_page(struct faulting *faulting)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register missing = {.range.len = PAGE, .mode = UFFDIO_REGISTER_MODE_MISSING};

	faulting->fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (faulting->fd < 0 || ioctl(faulting->fd, UFFDIO_API, &api))
		die("userfaultfd");
	faulting->page =
	    mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	missing.range.start = (uintptr_t)faulting->page;
	if (ioctl(faulting->fd, UFFDIO_REGISTER, &missing))
		die("UFFDIO_REGISTER");
}

/* Whether a thread faults at the page within this time. */
static int faults_within(const struct faulting *faulting, long ms)
{
	struct uffd_msg message;

	return wait_for(faulting->fd, POLLIN, milliseconds() + ms) == 1 &&
	       read(faulting->fd, &message, sizeof(message)) == sizeof(message) &&
	       message.event == UFFD_EVENT_PAGEFAULT;
}

static void resolve(const struct faulting *faulting)
{
	struct uffdio_zeropage zero = {.range = {.start = (uintptr_t)faulting->page, .len = PAGE}};

	if (ioctl(faulting->fd, UFFDIO_ZEROPAGE, &zero))
		die("UFFDIO_ZEROPAGE");
}

/* A thread that waits for the lock of a socket cannot be interrupted. */
static int waits_for_lock(int id)
{
	char path[64], state = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", id);
	file = fopen(path, "r");
	if (file && fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	if (file)
		fclose(file);
	return state == 'D';
}

/* Whether the thread, once it has told its id, waits for a lock before `until`. */
static int comes_to_wait(const atomic_int *id, long until)
{
	while (!*id || !waits_for_lock(*id)) {
		if (milliseconds() > until)
			return 0;
		usleep(1000);
	}
	return 1;
}

#endif
