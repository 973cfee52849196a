// SPDX-License-Identifier: Apache-2.0
/* Several users of one socket. */
#define _GNU_SOURCE
#include "probe.h"
#include <pthread.h>
#include <sys/wait.h>

#define THREADS 4
#define RECORDS 100
#define RECORD	1000

/* Runs the work in a child, which then ends. */
static void in_child(void (*work)(void))
{
	pid_t child = fork();

	if (!child) {
		work();
		fflush(stdout);
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

static void receive_two(void)
{
	GOT(recv(server, buffer, 2, 0));
}

static void send_and_close(void)
{
	SAW(send(client, "child", 5, 0));
	close(client);
	close(server);
}

static void forked(void)
{
	int round;

	for (round = 0; round < 2; round++) {
		SAW(send(client, "hello", 5, 0));
		settle();
		in_child(receive_two);
		if (!round)
			mid();
		GOT(recv(server, buffer, 10, 0));
		in_child(send_and_close);
		GOT(recv(server, buffer, 10, 0));
	}
	/* The parent still holds the descriptor. */
	SAW(send(client, "parent", 6, 0));
	GOT(recv(server, buffer, 10, 0));
}

static void pass(int through, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = {}, byte = 0;
	struct iovec one = {&byte, 1};
	struct msghdr message = {
	    .msg_iov = &one,
	    .msg_iovlen = 1,
	    .msg_control = control,
	    .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (sendmsg(through, &message, 0) != 1)
		die("SCM_RIGHTS");
}

static int take(int through)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec one = {&byte, 1};
	struct msghdr message = {
	    .msg_iov = &one,
	    .msg_iovlen = 1,
	    .msg_control = control,
	    .msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(through, &message, 0) != 1)
		die("SCM_RIGHTS");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

static void passed(void)
{
	int through[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, through))
		die("socketpair");
	SAW(send(client, "hello", 5, 0));
	settle();
	pass(through[0], server);
	mid();
	close(server);
	if (!fork()) {
		server = take(through[1]);
		close(client);
		GOT(recv(server, buffer, 10, 0));
		SAW(send(server, "answer", 6, 0));
		GOT(recv(server, buffer, 10, 0));
		GOT(recv(server, buffer, 10, 0));
		_exit(0);
	}
	close(through[0]);
	close(through[1]);
	recv(client, buffer, 10, 0);
	send(client, "again", 5, 0);
	shutdown(client, SHUT_WR);
	wait(NULL);
	got("answer", 6, buffer);
	GOT(recv(client, buffer, 10, 0));
}

static void *write_records(void *letter)
{
	char record[RECORD];
	int i;

	memset(record, *(char *)letter, RECORD);
	for (i = 0; i < RECORDS; i++)
		if (send(client, record, RECORD, 0) != RECORD)
			die("record");
	return NULL;
}

static void many_writers(void)
{
	static char letters[THREADS] = {'a', 'b', 'c', 'd'};
	int counts[THREADS] = {}, torn = 0, i, round;
	pthread_t writers[THREADS];

	for (round = 0; round < 2; round++) {
		for (i = 0; i < THREADS; i++)
			pthread_create(&writers[i], NULL, write_records, &letters[i]);
		for (i = 0; i < THREADS * RECORDS; i++) {
			size_t have = 0;

			while (have < RECORD) {
				ssize_t done = recv(server, buffer + have, RECORD - have, 0);

				if (done <= 0)
					die("record");
				have += done;
			}
			torn += memcmp(buffer, buffer + 1, RECORD - 1) != 0;
			counts[(buffer[0] - 'a') % THREADS]++;
		}
		for (i = 0; i < THREADS; i++)
			pthread_join(writers[i], NULL);
		if (!round)
			mid();
	}
	say("records %d %d %d %d, torn %d", counts[0], counts[1], counts[2], counts[3], torn);
}

static volatile long received;
static volatile int errors;

/* Reads one record, or the end. */
static void read_record(void)
{
	char own[RECORD];
	ssize_t done;

	while ((done = recv(server, own, sizeof(own), 0)) < 0) {
		if (errno != EAGAIN)
			die("recv");
		errors = EAGAIN;
	}
	__atomic_fetch_add(&received, done, __ATOMIC_RELAXED);
}

static void wait_for_records(struct task *readers[THREADS])
{
	int i;

	for (i = 0; i < THREADS; i++)
		readers[i] = start(read_record);
}

static void until_all_wait(struct task *readers[THREADS])
{
	int i;

	for (i = 0; i < THREADS; i++)
		until_asleep_in(readers[i], SYS_recvfrom);
}

static void finish_all(struct task *readers[THREADS])
{
	int i;

	for (i = 0; i < THREADS; i++)
		finish(readers[i]);
}

/* The readers block. A record wakes all that wait, and one of them gets it. All see the end. No
 * reader waits while the connection joins. */
static void many_readers(void)
{
	struct task *readers[THREADS];
	int i, round;

	for (round = 0; round < 2; round++) {
		wait_for_records(readers);
		for (i = 0; i < THREADS; i++) {
			until_all_wait(readers);
			if (send(client, buffer, RECORD, 0) != RECORD)
				die("record");
		}
		finish_all(readers);
		if (!round)
			mid();
	}
	wait_for_records(readers);
	until_all_wait(readers);
	SAW(shutdown(client, SHUT_WR));
	finish_all(readers);
	say("received %ld, errors: %s", received, errors ? strerrorname_np(errors) : "none");
}

static void duplicated(void)
{
	int second = dup(server), round;

	for (round = 0; round < 2; round++) {
		SAW(send(client, "hello", 5, 0));
		settle();
		GOT(recv(second, buffer, 2, 0));
		if (!round)
			mid();
		GOT(recv(server, buffer, 10, 0));
	}
	SAW(close(server));
	SAW(send(client, "more", 4, 0));
	settle();
	GOT(recv(second, buffer, 10, 0));
	SAW(close(second));
	await_events(client, POLLRDHUP);
}

const struct probe sharing_probes[] = {
    {"fork-shared", forked},	    {"scm-rights", passed}, {"many-writers", many_writers},
    {"many-readers", many_readers}, {"dup", duplicated},    {},
};
