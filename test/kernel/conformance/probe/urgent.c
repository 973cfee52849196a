// SPDX-License-Identifier: Apache-2.0
/* Out-of-band bytes. */
#define _GNU_SOURCE
#include "probe.h"

static volatile int urgent_signals;

static void count_urgent(int signal)
{
	(void)signal;
	urgent_signals++;
}

static void want_signal(void)
{
	struct sigaction action = {.sa_handler = count_urgent, .sa_flags = SA_RESTART};

	sigaction(SIGURG, &action, NULL);
	fcntl(server, F_SETOWN, getpid());
}

static void say_mark(void)
{
	int at = -1;

	ioctl(server, SIOCATMARK, &at);
	say("at the mark: %d", at);
}

/* Reports the bytes that reach a reader that does not expect urgent bytes. */
static void sent_only(void)
{
	int round;

	for (round = 0; round < 2; round++) {
		SAW(send(client, "one", 3, 0));
		SAW(send(client, "U", 1, MSG_OOB));
		SAW(send(client, "two", 3, 0));
		settle();
		if (!round)
			mid();
		GOT(recv(server, buffer, 10, MSG_DONTWAIT));
		GOT(recv(server, buffer, 10, MSG_DONTWAIT));
		GOT(recv(server, buffer, 10, MSG_DONTWAIT));
	}
}

/* A reader that asks for urgent bytes from the first byte on. If it gets an ordinary byte as an
 * urgent one, it takes that for the next byte. */
static ssize_t receive_urgent_too(int fd, void *to, size_t length)
{
	ssize_t done = recv(fd, to, length, MSG_OOB | MSG_DONTWAIT);

	return done > 0 ? done : recv(fd, to, length, 0);
}

static void received(void)
{
	int round;

	want_signal();
	for (round = 0; round < 2; round++) {
		urgent_signals = 0;
		SAW(send(client, "one", 3, 0));
		SAW(send(client, "U", 1, MSG_OOB));
		settle();
		if (!round)
			mid();
		look_for_events(server, POLLIN | POLLPRI);
		say("signalled: %d", urgent_signals > 0);
		say_mark();
		GOT(recv(server, buffer, 10, MSG_OOB | MSG_DONTWAIT));
		GOT(recv(server, buffer, 10, MSG_DONTWAIT));
		say_mark();
		GOT(recv(server, buffer, 10, MSG_DONTWAIT));
	}
}

static void want_inline(void)
{
	set_option(server, SOL_SOCKET, SO_OOBINLINE, 1);
}

static void in_line(void)
{
	int round;

	for (round = 0; round < 2; round++) {
		SAW(send(client, "one", 3, 0));
		SAW(send(client, "U", 1, MSG_OOB));
		settle();
		if (!round)
			mid();
		look_for_events(server, POLLIN | POLLPRI);
		GOT(recv(server, buffer, 10, MSG_DONTWAIT));
		say_mark();
		GOT(recv(server, buffer, 10, MSG_DONTWAIT));
	}
}

const struct probe urgent_probes[] = {
    {"msg-oob-unexpected", sent_only},
    {"msg-oob-received", received, .receive = receive_urgent_too},
    {"so-oobinline", in_line, .habit = want_inline},
    {},
};
