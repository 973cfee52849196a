// SPDX-License-Identifier: Apache-2.0
/* All ways to send. */
#define _GNU_SOURCE
#include "probe.h"
#include <linux/sockios.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <time.h>

#define LARGE (1 << 20)
/* Well below the 200 ms for which the kernel holds back corked bytes. */
#define CORK_LOOK_MS 100

static char large[LARGE];

static void receive_large(void)
{
	receive_all(server, LARGE);
}

static void large_send(void)
{
	struct task *reader = start(receive_large);

	fill_text(large, LARGE);
	mid();
	SAW(send(client, large, LARGE, 0));
	finish(reader);
	reader = start(receive_large);
	SAW(write(client, large, LARGE));
	finish(reader);
}

static void calls(void)
{
	struct iovec three[3] = {{"one", 3}, {"", 0}, {"three", 5}};
	struct msghdr message = {.msg_iov = three, .msg_iovlen = 3};
	struct mmsghdr two[2] = {{.msg_hdr = message}, {.msg_hdr = message}};
	int round;

	for (round = 0; round < 2; round++) {
		SAW(write(client, "write", 5));
		SAW(send(client, "send", 4, 0));
		SAW(writev(client, three, 3));
		if (!round)
			mid();
		SAW(sendmsg(client, &message, 0));
		SAW(sendmmsg(client, two, 2, 0));
		say("lengths %u %u", two[0].msg_len, two[1].msg_len);
		receive_all(server, 5 + 4 + 8 + 8 + 16);
	}
}

static void bad_buffer(void)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec two[2] = {{"first", 5}, {page + 4096, 5}};

	munmap(page + 4096, 4096);
	mid();
	SAW(send(client, page + 4096, 5, 0));
	SAW(writev(client, two, 2));
	SAW(send(client, "good", 4, 0));
	settle();
	GOT(recv(server, buffer, 100, 0));
}

static void say_unsent(const char *when)
{
	int all = -1, unsent = -1;

	ioctl(client, SIOCOUTQ, &all);
	ioctl(client, SIOCOUTQNSD, &unsent);
	say("SIOCOUTQ %s = %s, SIOCOUTQNSD = %s", when, all > 0 ? "some" : "0",
	    unsent > 0 ? "some" : "0");
}

/* Sends until the socket takes no more bytes for a while. */
static size_t send_until_refused(void)
{
	size_t sent = 0;
	int refusals = 0;

	fill_text(large, LARGE);
	while (refusals < 10) {
		struct pollfd one = {.fd = client, .events = POLLOUT};
		ssize_t done =
		    send(client, large + sent % LARGE, LARGE - sent % LARGE, MSG_DONTWAIT);

		if (done > 0) {
			sent += done;
			refusals = 0;
		} else if (!poll(&one, 1, 50)) {
			refusals++;
		}
	}
	return sent;
}

static size_t receive_and_check(size_t length)
{
	size_t have = 0, i;

	while (have < length) {
		struct pollfd one = {.fd = server, .events = POLLIN};
		ssize_t done;

		poll(&one, 1, -1);
		done = recv(server, buffer, length - have < LARGE ? length - have : LARGE,
			    MSG_DONTWAIT);
		if (done == 0 || (done < 0 && errno != EAGAIN))
			break;
		for (i = 0; (ssize_t)i < done; i++)
			if (buffer[i] != large[(have + i) % LARGE])
				return have + i;
		have += done > 0 ? done : 0;
	}
	return have;
}

static void full_queue(void)
{
	size_t sent;

	say_unsent("of nothing");
	sent = send_until_refused();
	mid();
	SAW(send(client, "x", 1, MSG_DONTWAIT));
	look_for_events(client, POLLOUT);
	say_unsent("of a full queue");
	say("right: %d", receive_and_check(sent) == sent);
	await_events(client, POLLOUT);
	SAW(send(client, "more", 4, 0));
	GOT(recv(server, buffer, 10, 0));
	settle();
	say_unsent("of nothing");
	sent = send_until_refused();
	say("right: %d", receive_and_check(sent) == sent);
	SAW(send(client, "more", 4, 0));
	GOT(recv(server, buffer, 10, 0));
}

static size_t sent_in_thread;

static void send_in_thread(void)
{
	sent_in_thread = send(client, large, LARGE, 0);
	say("blocking send is complete: %d", sent_in_thread == LARGE);
}

static void blocked_sender(void)
{
	size_t sent = send_until_refused();
	struct task *sender = start(send_in_thread);

	until_asleep_in(sender, SYS_sendto);
	mid();
	/* The content of the bytes starts again here. */
	say("right: %d", receive_and_check(sent) == sent);
	receive_all(server, LARGE);
	finish(sender);
}

static long elapsed_ms(const struct timespec *since)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - since->tv_sec) * 1000 + (now.tv_nsec - since->tv_nsec) / 1000000;
}

/* Checks what a reader sees of bytes that are held back. Repeats the check if it took too long. */
static void hold_back(int flags)
{
	struct pollfd one = {.fd = server, .events = POLLIN};
	struct timespec begin;

	do {
		settle();
		while (recv(server, buffer, sizeof(buffer), MSG_DONTWAIT) > 0)
			;
		one.revents = 0;
		clock_gettime(CLOCK_MONOTONIC, &begin);
		send(client, "held ", 5, flags);
		poll(&one, 1, 20);
	} while (elapsed_ms(&begin) > CORK_LOOK_MS);
	saw_events("reader of bytes held back", one.revents);
}

static void more(void)
{
	int round;

	mid();
	for (round = 0; round < 2; round++) {
		hold_back(MSG_MORE);
		SAW(send(client, "back", 4, 0));
		receive_all(server, 9);
	}
}

static void cork(void)
{
	int round;

	mid();
	for (round = 0; round < 2; round++) {
		set_option(client, IPPROTO_TCP, TCP_CORK, 1);
		hold_back(0);
		SAW(send(client, "back", 4, 0));
		set_option(client, IPPROTO_TCP, TCP_CORK, 0);
		receive_all(server, 9);
	}
}

static int text_file(size_t length)
{
	int fd = memfd_create("text", 0);

	fill_text(large, length);
	if (write(fd, large, length) != (ssize_t)length)
		die("memfd");
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static void file(void)
{
	int fd = text_file(LARGE);
	off_t offset = 100;
	struct task *reader;

	SAW(sendfile(client, fd, &offset, 1000));
	receive_all(server, 1000);
	mid();
	SAW(sendfile(client, fd, &offset, 3000));
	receive_all(server, 3000);
	reader = start(receive_large);
	offset = 0;
	SAW(sendfile(client, fd, &offset, LARGE));
	finish(reader);
	SAW(sendfile(client, fd, &offset, 1000));
}

static void splice_out(void)
{
	int ends[2], round;

	if (pipe(ends))
		die("pipe");
	for (round = 0; round < 2; round++) {
		SAW(write(ends[1], "hello", 5));
		SAW(splice(ends[0], NULL, client, NULL, 5, 0));
		if (!round)
			mid();
		receive_all(server, 5);
		SAW(write(ends[1], "again", 5));
		SAW(splice(ends[0], NULL, client, NULL, 3, SPLICE_F_MORE));
		SAW(splice(ends[0], NULL, client, NULL, 10, 0));
		receive_all(server, 5);
	}
}

const struct probe send_probes[] = {
    {"large-send", large_send},
    {"write-send-sendmsg-writev", calls},
    {"send-bad-buffer", bad_buffer},
    {"full-queue-siocoutq", full_queue},
    {"blocked-sender", blocked_sender},
    {"msg-more", more},
    {"tcp-cork", cork},
    {"sendfile", file},
    {"splice-out", splice_out},
    {},
};
