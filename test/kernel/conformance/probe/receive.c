// SPDX-License-Identifier: Apache-2.0
/* All ways to receive. */
#define _GNU_SOURCE
#include "probe.h"
#include <sys/mman.h>

static void receive_in_thread(void)
{
	GOT(recv(server, buffer, sizeof(buffer), 0));
}

static void blocking(void)
{
	struct task *reader = start(receive_in_thread);

	until_asleep_in(reader, SYS_recvfrom);
	mid();
	SAW(send(client, "hello", 5, 0));
	finish(reader);
	reader = start(receive_in_thread);
	until_asleep_in(reader, SYS_recvfrom);
	SAW(send(client, "again", 5, 0));
	finish(reader);
}

static void nonblocking(void)
{
	GOT(recv(server, buffer, 10, 0));
	SAW(send(client, "hello", 5, 0));
	settle();
	mid();
	GOT(recv(server, buffer, 2, 0));
	GOT(recv(server, buffer, 10, 0));
	GOT(recv(server, buffer, 10, 0));
	SAW(send(client, "again", 5, 0));
	settle();
	GOT(recv(server, buffer, 10, 0));
	GOT(recv(server, buffer, 10, 0));
}

static void dontwait(void)
{
	GOT(recv(server, buffer, 10, MSG_DONTWAIT));
	mid();
	GOT(recv(server, buffer, 10, MSG_DONTWAIT));
	SAW(send(client, "hello", 5, 0));
	settle();
	GOT(recv(server, buffer, 10, MSG_DONTWAIT));
	GOT(recv(server, buffer, 10, MSG_DONTWAIT));
}

static void boundaries(void)
{
	SAW(send(client, "one", 3, 0));
	SAW(send(client, "two", 3, 0));
	SAW(send(client, "three", 5, 0));
	settle();
	mid();
	GOT(recv(server, buffer, 4, 0));
	GOT(recv(server, buffer, 100, 0));
	SAW(send(client, "four", 4, 0));
	settle();
	GOT(recv(server, buffer, 100, 0));
	SAW(send(client, "five", 4, 0));
	SAW(send(client, "six", 3, 0));
	settle();
	GOT(recv(server, buffer, 100, 0));
}

/* All calls receive at once, from one message. */
static void calls(void)
{
	struct sockaddr_storage name;
	socklen_t length = sizeof(name);
	struct iovec two[2] = {{buffer, 2}, {buffer + 2, 3}};
	char control[64];
	struct msghdr message = {
	    .msg_name = &name,
	    .msg_namelen = sizeof(name),
	    .msg_iov = two,
	    .msg_iovlen = 2,
	    .msg_control = control,
	    .msg_controllen = sizeof(control),
	};
	struct mmsghdr many = {.msg_hdr = {.msg_iov = two, .msg_iovlen = 2}};

	SAW(send(client, "abcdefghijklmnopqrstuvwxyz", 26, 0));
	settle();
	mid();
	GOT(read(server, buffer, 4));
	GOT(recv(server, buffer, 4, 0));
	GOT(recvfrom(server, buffer, 4, 0, (struct sockaddr *)&name, &length));
	say("length of the address = %u", length);
	GOT(readv(server, two, 2));
	GOT(recvmsg(server, &message, 0));
	say("flags = %#x, name %u, control %zu", message.msg_flags, message.msg_namelen,
	    message.msg_controllen);
	SAW(recvmmsg(server, &many, 1, 0, NULL));
	got("its message", many.msg_len, buffer);
	SAW(send(client, "0123456789", 10, 0));
	settle();
	GOT(readv(server, two, 2));
	message.msg_namelen = sizeof(name);
	message.msg_controllen = sizeof(control);
	GOT(recvmsg(server, &message, 0));
	say("flags = %#x, name %u, control %zu", message.msg_flags, message.msg_namelen,
	    message.msg_controllen);
}

static void no_bytes(void)
{
	GOT(recv(server, buffer, 0, MSG_DONTWAIT));
	SAW(send(client, "hello", 5, 0));
	settle();
	mid();
	GOT(recv(server, buffer, 0, MSG_DONTWAIT));
	GOT(recv(server, buffer, 10, 0));
	SAW(send(client, "", 0, 0));
	SAW(write(client, "", 0));
	GOT(recv(server, buffer, 10, MSG_DONTWAIT));
}

static void bad_buffer(void)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec two[2] = {{buffer, 5}, {page + 4096, 5}};

	munmap(page + 4096, 4096);
	SAW(send(client, "hello", 5, 0));
	settle();
	SAW(recv(server, page + 4096, 5, 0));
	mid();
	GOT(recv(server, buffer, 10, 0));
	SAW(send(client, "hello", 5, 0));
	settle();
	SAW(recv(server, page + 4096, 5, 0));
	GOT(recv(server, buffer, 10, MSG_DONTWAIT));
	SAW(send(client, "0123456789", 10, 0));
	settle();
	GOT(readv(server, two, 2));
	GOT(recv(server, buffer, 10, MSG_DONTWAIT));
}

static void say_available(const char *when)
{
	int bytes = -1;

	ioctl(server, FIONREAD, &bytes);
	say("FIONREAD %s = %d", when, bytes);
}

static void fionread(void)
{
	say_available("of nothing");
	SAW(send(client, "hello", 5, 0));
	settle();
	mid();
	say_available("of one message");
	SAW(send(client, "again", 5, 0));
	settle();
	say_available("of two");
	GOT(recv(server, buffer, 3, 0));
	say_available("of the rest");
	receive_all(server, 7);
	say_available("of nothing");
	SAW(send(client, "more", 4, 0));
	settle();
	say_available("of one message");
	GOT(recv(server, buffer, 10, 0));
}

static ssize_t receive_waitall(int fd, void *to, size_t length)
{
	return recv(fd, to, length, MSG_WAITALL);
}

static bool cut_short;

static void waitall_in_thread(void)
{
	ssize_t received = GOT(recv(server, buffer, 10, MSG_WAITALL));

	cut_short = received > 0 && received < 10;
}

static void waitall(void)
{
	int round;

	for (round = 0; round < 2; round++) {
		struct task *reader = start(waitall_in_thread);

		until_asleep_in(reader, SYS_recvfrom);
		SAW(send(client, "hello", 5, 0));
		settle();
		/* Continues only after the reader has woken up and decided to wait on, or to
		 * return. */
		until_asleep_in(reader, SYS_recvfrom);
		if (!round)
			mid();
		if (cut_short) {
			struct pollfd reset = {.fd = server};

			poll(&reset, 1, 5000 * patience());
		}
		say_sent();
		finish(reader);
		if (cut_short)
			break;
	}
}

static ssize_t receive_truncated(int fd, void *to, size_t length)
{
	return recv(fd, to, length, MSG_TRUNC);
}

static void truncated(void)
{
	int round;

	for (round = 0; round < 2; round++) {
		SAW(send(client, "0123456789", 10, 0));
		settle();
		SAW(recv(server, NULL, 4, MSG_TRUNC));
		if (!round)
			mid();
		GOT(recv(server, buffer, 10, 0));
	}
}

static void lowat_of_8(void)
{
	set_option(server, SOL_SOCKET, SO_RCVLOWAT, 8);
}

static void rcvlowat(void)
{
	int round;

	for (round = 0; round < 2; round++) {
		SAW(send(client, "half", 4, 0));
		settle();
		look_for_events(server, POLLIN);
		if (!round)
			mid();
		SAW(send(client, "more", 4, 0));
		settle();
		look_for_events(server, POLLIN);
		receive_all(server, 8);
	}
	SAW(get_option(server, SOL_SOCKET, SO_RCVLOWAT));
}

const struct probe receive_probes[] = {
    {"blocking", blocking},
    {"nonblocking", nonblocking, .nonblocking = true},
    {"msg-dontwait", dontwait},
    {"message-boundaries", boundaries},
    {"read-recv-recvmsg-readv", calls},
    {"no-bytes", no_bytes},
    {"bad-buffer", bad_buffer},
    {"fionread", fionread},
    {"msg-waitall", waitall, .receive = receive_waitall},
    {"msg-trunc", truncated, .receive = receive_truncated},
    {"so-rcvlowat", rcvlowat, .habit = lowat_of_8},
    {},
};
