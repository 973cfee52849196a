// SPDX-License-Identifier: Apache-2.0
/* io_uring. */
#define _GNU_SOURCE
#include "uring.h"
#include "probe.h"

static struct io_uring_sqe receive_entry(int fd, void *to, size_t length, int flags)
{
	return (struct io_uring_sqe){
	    .opcode = IORING_OP_RECV,
	    .fd = fd,
	    .addr = (uint64_t)to,
	    .len = length,
	    .msg_flags = flags,
	};
}

static struct io_uring_sqe send_entry(const void *from, size_t length, int opcode)
{
	return (struct io_uring_sqe){
	    .opcode = opcode,
	    .fd = client,
	    .addr = (uint64_t)from,
	    .len = length,
	};
}

static ssize_t ring_receive(int fd, void *to, size_t length)
{
	int result;

	ring_open();
	result = ring_do(receive_entry(fd, to, length, 0));
	if (result >= 0)
		return result;
	errno = -result;
	return -1;
}

static ssize_t ring_receive_waitall(int fd, void *to, size_t length)
{
	int result;

	ring_open();
	result = ring_do(receive_entry(fd, to, length, MSG_WAITALL));
	if (result >= 0)
		return result;
	errno = -result;
	return -1;
}

static void say_received(size_t length)
{
	int result = ring_do(receive_entry(server, buffer, length, 0));

	say_ring("uring recv", result, buffer);
}

static void receive(void)
{
	int round;

	ring_open();
	for (round = 0; round < 2; round++) {
		SAW(send(client, "hello", 5, 0));
		settle();
		if (!round)
			mid();
		say_received(2);
		say_received(10);
		/* This receive waits. */
		ring_submit(receive_entry(server, buffer, 10, 0));
		SAW(send(client, "again", 5, 0));
		say_ring("uring recv that waited", ring_wait(NULL), buffer);
	}
	/* So does a receive that is already waiting at the join. */
	SAW(shutdown(client, SHUT_WR));
	say_received(10);
}

static void receive_waiting(void)
{
	ring_open();
	ring_submit(receive_entry(server, buffer, 10, 0));
	mid();
	SAW(send(client, "hello", 5, 0));
	say_ring("uring recv that waited", ring_wait(NULL), buffer);
	ring_submit(receive_entry(server, buffer, 10, 0));
	SAW(send(client, "again", 5, 0));
	say_ring("uring recv that waited", ring_wait(NULL), buffer);
}

static void receive_waitall(void)
{
	int round;

	ring_open();
	for (round = 0; round < 2; round++) {
		ring_submit(receive_entry(server, buffer, 10, MSG_WAITALL));
		SAW(send(client, "hello", 5, 0));
		settle();
		if (!round)
			mid();
		SAW(send(client, "again", 5, 0));
		say_ring("uring recv", ring_wait(NULL), buffer);
		while (recv(server, buffer, 10, MSG_DONTWAIT) > 0)
			;
	}
}

#define BUFFERS	    8
#define BUFFER_SIZE 64
#define GROUP	    1

static char provided[BUFFERS][BUFFER_SIZE];

static void multishot(void)
{
	struct io_uring_sqe provide = {
	    .opcode = IORING_OP_PROVIDE_BUFFERS,
	    .fd = BUFFERS,
	    .addr = (uint64_t)provided,
	    .len = BUFFER_SIZE,
	    .buf_group = GROUP,
	};
	struct io_uring_sqe entry = {
	    .opcode = IORING_OP_RECV,
	    .fd = server,
	    .ioprio = IORING_RECV_MULTISHOT,
	    .flags = IOSQE_BUFFER_SELECT,
	    .buf_group = GROUP,
	};
	int round, result;
	uint32_t flags;

	ring_open();
	SAW(ring_do(provide));
	ring_submit(entry);
	for (round = 0; round < 4; round++) {
		if (round == 1)
			mid();
		SAW(send(client, "hello", 5, 0));
		result = ring_wait(&flags);
		say_ring("uring multishot recv", result,
			 provided[flags >> IORING_CQE_BUFFER_SHIFT & (BUFFERS - 1)]);
		say("more: %d", !!(flags & IORING_CQE_F_MORE));
		if (result < 0)
			return;
	}
	SAW(shutdown(client, SHUT_WR));
	say_ring("uring multishot recv", ring_wait(&flags), NULL);
	say("more: %d", !!(flags & IORING_CQE_F_MORE));
}

static void poll_add(void)
{
	struct io_uring_sqe entry = {
	    .opcode = IORING_OP_POLL_ADD,
	    .fd = server,
	    .poll32_events = POLLIN,
	};
	int round;

	ring_open();
	for (round = 0; round < 2; round++) {
		ring_submit(entry);
		if (!round)
			mid();
		SAW(send(client, "hello", 5, 0));
		saw_events("uring poll", ring_wait(NULL));
		GOT(recv(server, buffer, 10, 0));
	}
}

static void sends(void)
{
	static char page[4096];
	int round;

	ring_open();
	fill_text(page, sizeof(page));
	for (round = 0; round < 2; round++) {
		SAW(ring_do(send_entry("hello", 5, IORING_OP_SEND)));
		if (!round)
			mid();
		SAW(ring_do(send_entry(page, sizeof(page), IORING_OP_SEND)));
		receive_all(server, 5 + sizeof(page));
	}
}

static void zerocopy_sends(void)
{
	static char page[4096];
	int round, result;
	uint32_t flags;

	ring_open();
	fill_text(page, sizeof(page));
	for (round = 0; round < 2; round++) {
		ring_submit(send_entry(page, sizeof(page), IORING_OP_SEND_ZC));
		result = ring_wait(&flags);
		say_ring("uring send_zc", result, NULL);
		say("more: %d", !!(flags & IORING_CQE_F_MORE));
		if (result > 0)
			receive_all(server, result);
		if (flags & IORING_CQE_F_MORE) {
			ring_wait(&flags);
			say("notification: %d", !!(flags & IORING_CQE_F_NOTIF));
		}
		if (!round)
			mid();
	}
}

const struct probe uring_probes[] = {
    {"io-uring-recv", receive, .receive = ring_receive},
    {"io-uring-recv-nonblocking", receive, .receive = ring_receive, .nonblocking = true},
    {"io-uring-recv-waiting", receive_waiting, .receive = ring_receive},
    {"io-uring-recv-waitall", receive_waitall, .receive = ring_receive_waitall},
    {"io-uring-recv-multishot", multishot},
    {"io-uring-poll", poll_add},
    {"io-uring-send", sends},
    {"io-uring-send-zerocopy", zerocopy_sends},
    {},
};
