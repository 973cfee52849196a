// SPDX-License-Identifier: Apache-2.0
/* Readers that splice bytes out of the socket. */
#define _GNU_SOURCE
#include "uring.h"
#include "probe.h"
#include <time.h>

static int ends[2];

static ssize_t splice_once(int fd, size_t length)
{
	if (!ends[0] && pipe(ends))
		die("pipe");
	return splice(fd, NULL, ends[1], NULL, length, SPLICE_F_NONBLOCK);
}

static ssize_t ring_splice_once(int fd, size_t length)
{
	struct io_uring_sqe entry = {
	    .opcode = IORING_OP_SPLICE,
	    .splice_fd_in = fd,
	    .splice_off_in = -1,
	    .off = -1,
	    .len = length,
	    .splice_flags = SPLICE_F_NONBLOCK,
	};
	int result;

	ring_open();
	if (!ends[0] && pipe(ends))
		die("pipe");
	entry.fd = ends[1];
	result = ring_do(entry);
	if (result >= 0)
		return result;
	errno = -result;
	return -1;
}

static ssize_t receive_by_splice(int fd, void *to, size_t length)
{
	ssize_t done = splice_once(fd, length);

	return done > 0 ? read(ends[0], to, done) : done;
}

static ssize_t receive_by_ring_splice(int fd, void *to, size_t length)
{
	ssize_t done = ring_splice_once(fd, length);

	return done > 0 ? read(ends[0], to, done) : done;
}

/* Splices until there is a result. A connection may be reset from either end first, so the report
 * does not say which. */
static void say_spliced(ssize_t (*receive)(int, void *, size_t))
{
	struct timespec begin, now;
	ssize_t done;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		done = receive(server, buffer, 100);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (done < 0 && errno == EAGAIN)
			usleep(1000);
	} while (done < 0 && errno == EAGAIN && now.tv_sec - begin.tv_sec < 2 * patience());
	if (done < 0 && (errno == ECONNRESET || errno == ECONNABORTED))
		say("splice: the connection is reset");
	else
		got("splice", done, buffer);
}

/* Starts to splice while nothing is unread. */
static void drained(void)
{
	GOT(splice_once(server, 100));
	mid();
	SAW(send(client, "hello", 5, 0));
	say_spliced(receive_by_splice);
	say_sent();
	say_spliced(receive_by_splice);
}

static void unread(void)
{
	SAW(send(client, "hello", 5, 0));
	settle();
	mid();
	say_spliced(receive_by_splice);
	say_sent();
	say_spliced(receive_by_splice);
}

static void by_ring(void)
{
	SAW(send(client, "hello", 5, 0));
	settle();
	mid();
	say_spliced(receive_by_ring_splice);
	say_sent();
	say_spliced(receive_by_ring_splice);
}

const struct probe splice_probes[] = {
    {"splice-in-drained", drained, .receive = receive_by_splice, .nonblocking = true},
    {"splice-in-unread", unread, .receive = receive_by_splice, .nonblocking = true},
    {"splice-in-io-uring", by_ring, .receive = receive_by_ring_splice, .nonblocking = true},
    {},
};
