// SPDX-License-Identifier: Apache-2.0
/* Peeks at bytes before they are read, and data that accompanies the bytes. */
#define _GNU_SOURCE
#include "probe.h"
#include <linux/net_tstamp.h>
#include <sys/mman.h>
#include <time.h>

#ifndef SO_PEEK_OFF
#define SO_PEEK_OFF 42
#endif

static void peek_one(void)
{
	GOT(recv(server, buffer, 10, MSG_PEEK | MSG_DONTWAIT));
	SAW(send(client, "hello", 5, 0));
	settle();
	GOT(recv(server, buffer, 2, MSG_PEEK));
	mid();
	GOT(recv(server, buffer, 10, MSG_PEEK));
	GOT(recv(server, buffer, 10, 0));
	SAW(send(client, "again", 5, 0));
	settle();
	GOT(recv(server, buffer, 10, MSG_PEEK));
	GOT(recv(server, buffer, 10, 0));
	GOT(recv(server, buffer, 10, MSG_PEEK | MSG_DONTWAIT));
}

static void peek_in_thread(void)
{
	GOT(recv(server, buffer, 10, MSG_PEEK));
}

static void peek_blocking(void)
{
	int round;

	for (round = 0; round < 2; round++) {
		struct task *reader = start(peek_in_thread);

		until_asleep_in(reader, SYS_recvfrom);
		if (!round)
			mid();
		SAW(send(client, "hello", 5, 0));
		finish(reader);
		GOT(recv(server, buffer, 10, 0));
	}
}

static void peek_many(void)
{
	int round;

	for (round = 0; round < 2; round++) {
		SAW(send(client, "one", 3, 0));
		SAW(send(client, "two", 3, 0));
		SAW(send(client, "three", 5, 0));
		settle();
		if (!round)
			mid();
		GOT(recv(server, buffer, 3, MSG_PEEK));
		GOT(recv(server, buffer, 5, MSG_PEEK));
		GOT(recv(server, buffer, 100, MSG_PEEK));
		GOT(recv(server, buffer, 2, 0));
		GOT(recv(server, buffer, 100, MSG_PEEK));
		GOT(recv(server, buffer, 100, 0));
	}
}

static void peek_from_start(void)
{
	int offset = 0;

	/* TCP has it since Linux 6.9. */
	if (setsockopt(server, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset)))
		not_here("SO_PEEK_OFF of TCP");
}

static void peek_offset(void)
{
	int round;

	for (round = 0; round < 2; round++) {
		SAW(send(client, "hello", 5, 0));
		settle();
		if (!round)
			mid();
		GOT(recv(server, buffer, 2, MSG_PEEK));
		GOT(recv(server, buffer, 2, MSG_PEEK));
		SAW(get_option(server, SOL_SOCKET, SO_PEEK_OFF));
		GOT(recv(server, buffer, 5, 0));
		SAW(get_option(server, SOL_SOCKET, SO_PEEK_OFF));
		set_option(server, SOL_SOCKET, SO_PEEK_OFF, 0);
	}
}

static void receive_with_control(void)
{
	struct iovec one = {buffer, 3};
	char control[256];
	struct msghdr message = {
	    .msg_iov = &one,
	    .msg_iovlen = 1,
	    .msg_control = control,
	    .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;

	GOT(recvmsg(server, &message, 0));
	for (c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
		if (c->cmsg_level == SOL_TCP)
			say("TCP_CM_INQ = %d", *(int *)CMSG_DATA(c));
		else
			say("control message %d", c->cmsg_type);
	}
}

static void two_with_control(void)
{
	int round;

	for (round = 0; round < 2; round++) {
		SAW(send(client, "hello", 5, 0));
		settle();
		if (!round)
			mid();
		receive_with_control();
		receive_with_control();
	}
}

static void want_inq(void)
{
	set_option(server, SOL_TCP, TCP_INQ, 1);
}

static void want_timestamps(void)
{
	set_option(server, SOL_SOCKET, SO_TIMESTAMP, 1);
}

static void want_timestamping(void)
{
	set_option(server, SOL_SOCKET, SO_TIMESTAMPING,
		   SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE);
}

static void want_sent_timestamps(void)
{
	set_option(client, SOL_SOCKET, SO_TIMESTAMPING,
		   SOF_TIMESTAMPING_TX_ACK | SOF_TIMESTAMPING_SOFTWARE |
		       SOF_TIMESTAMPING_OPT_TSONLY);
}

static void sent_timestamps(void)
{
	int round;

	for (round = 0; round < 2; round++) {
		struct msghdr message = {.msg_control = buffer + 100, .msg_controllen = 512};

		while (recvmsg(client, &message, MSG_ERRQUEUE) >= 0)
			message.msg_controllen = 512;
		SAW(send(client, "hello", 5, 0));
		settle();
		if (!round)
			mid();
		look_for_events(client, POLLERR);
		message.msg_controllen = 512;
		SAW(recvmsg(client, &message, MSG_ERRQUEUE));
		GOT(recv(server, buffer, 10, 0));
	}
}

/* Bytes that do not fill a page are copied. */
static void receive_mapped(void)
{
	struct tcp_zerocopy_receive {
		uint64_t address;
		uint32_t length, recv_skip_hint, inq;
		int32_t err;
		uint64_t copybuf_address;
		int32_t copybuf_len;
		uint32_t flags;
		uint64_t msg_control, msg_controllen;
		uint32_t msg_flags, reserved;
	} receive = {.copybuf_address = (uint64_t)buffer, .copybuf_len = 64};
	socklen_t length = sizeof(receive);
	static void *area;

	if (!area)
		area = mmap(NULL, 4096, PROT_READ, MAP_SHARED, server, 0);
	receive.address = (uint64_t)area;
	receive.length = 4096;
	SAW(getsockopt(server, IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, &receive, &length));
	got("mapped receive: copied", receive.copybuf_len, buffer);
	say("mapped %u, skip %u", receive.length, receive.recv_skip_hint);
}

/* Receives with a mapping. Reads by recv when nothing was mapped. */
static ssize_t receive_one_mapped(int fd, void *to, size_t length)
{
	struct {
		uint64_t address;
		uint32_t length, recv_skip_hint, inq;
		int32_t err;
		uint64_t copybuf_address;
		int32_t copybuf_len;
		uint32_t flags;
	} receive = {.copybuf_address = (uint64_t)to, .copybuf_len = length};
	socklen_t size = sizeof(receive);
	static void *area;

	if (!area)
		area = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	receive.address = (uint64_t)area;
	receive.length = 4096;
	if (!getsockopt(fd, IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, &receive, &size) &&
	    receive.copybuf_len > 0)
		return receive.copybuf_len;
	return recv(fd, to, length, MSG_DONTWAIT);
}

static void mapped(void)
{
	int round;

	for (round = 0; round < 2; round++) {
		SAW(send(client, "hello", 5, 0));
		settle();
		if (!round)
			mid();
		receive_mapped();
		GOT(recv(server, buffer, 10, MSG_DONTWAIT));
	}
}

const struct probe peek_probes[] = {
    {"msg-peek-one", peek_one},
    {"msg-peek-blocking", peek_blocking},
    {"msg-peek-many", peek_many},
    {"so-peek-off", peek_offset, .habit = peek_from_start},
    {"tcp-inq", two_with_control, .habit = want_inq},
    {"so-timestamp", two_with_control, .habit = want_timestamps},
    {"so-timestamping-receive", two_with_control, .habit = want_timestamping},
    {"so-timestamping-send", sent_timestamps, .habit = want_sent_timestamps},
    {"tcp-zerocopy-receive", mapped, .receive = receive_one_mapped},
    {},
};
