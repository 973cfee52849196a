// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "probe.h"
#include "uring.h"
#include <sys/mman.h>

#define ENTRIES 8

static struct {
	int fd;
	unsigned int *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
} ring;

void ring_open(void)
{
	struct io_uring_params params = {};
	size_t size;
	char *area;

	if (ring.sqes)
		return;
	ring.fd = syscall(SYS_io_uring_setup, ENTRIES, &params);
	if (ring.fd < 0)
		not_here("io_uring");
	size = params.cq_off.cqes + params.cq_entries * sizeof(*ring.cqes);
	if (size < params.sq_off.array + params.sq_entries * sizeof(unsigned int))
		size = params.sq_off.array + params.sq_entries * sizeof(unsigned int);
	area = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd,
		    IORING_OFF_SQ_RING);
	ring.sqes = mmap(NULL, params.sq_entries * sizeof(*ring.sqes), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_POPULATE, ring.fd, IORING_OFF_SQES);
	if (area == MAP_FAILED || ring.sqes == MAP_FAILED)
		die("mmap of the ring");
	ring.sq_tail = (void *)(area + params.sq_off.tail);
	ring.sq_mask = (void *)(area + params.sq_off.ring_mask);
	ring.sq_array = (void *)(area + params.sq_off.array);
	ring.cq_head = (void *)(area + params.cq_off.head);
	ring.cq_tail = (void *)(area + params.cq_off.tail);
	ring.cq_mask = (void *)(area + params.cq_off.ring_mask);
	ring.cqes = (void *)(area + params.cq_off.cqes);
}

void ring_submit(struct io_uring_sqe entry)
{
	unsigned int tail = *ring.sq_tail, index = tail & *ring.sq_mask;

	ring.sqes[index] = entry;
	ring.sq_array[index] = index;
	__atomic_store_n(ring.sq_tail, tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring.fd, 1, 0, 0, NULL, 0) != 1)
		die("io_uring_enter");
}

int ring_wait(uint32_t *flags)
{
	unsigned int head = *ring.cq_head;
	struct io_uring_cqe *cqe;
	int result;

	while (head == __atomic_load_n(ring.cq_tail, __ATOMIC_ACQUIRE))
		syscall(SYS_io_uring_enter, ring.fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0);
	cqe = &ring.cqes[head & *ring.cq_mask];
	result = cqe->res;
	if (flags)
		*flags = cqe->flags;
	__atomic_store_n(ring.cq_head, head + 1, __ATOMIC_RELEASE);
	return result;
}

int ring_do(struct io_uring_sqe entry)
{
	ring_submit(entry);
	return ring_wait(NULL);
}

void say_ring(const char *what, int result, const void *bytes)
{
	if (result < 0)
		errno = -result;
	if (result > 0 && bytes)
		got(what, result, bytes);
	else
		saw(what, result < 0 ? -1 : result);
}
