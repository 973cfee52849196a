// SPDX-License-Identifier: Apache-2.0
/* Signals and timeouts that end a waiting call. */
#define _GNU_SOURCE
#include "probe.h"
#include <time.h>

static volatile int handled;

static void on_signal(int signal)
{
	(void)signal;
	handled++;
}

static void handle(int flags)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};

	handled = 0;
	sigaction(SIGUSR1, &action, NULL);
}

static bool is_handled(void)
{
	return handled > 0;
}

static void receive_once(void)
{
	GOT(recv(server, buffer, 100, 0));
}

static void interrupt_receive(int flags)
{
	struct task *reader;
	int round;

	for (round = 0; round < 2; round++) {
		handle(flags);
		reader = start(receive_once);
		until_asleep_in(reader, SYS_recvfrom);
		if (!round)
			mid();
		interrupt_with(reader, SIGUSR1);
		until(is_handled);
		if (flags & SA_RESTART)
			SAW(send(client, "hello", 5, 0));
		finish(reader);
		if (!(flags & SA_RESTART))
			SAW(send(client, "hello", 5, 0));
		/* The message came too late for an interrupted receive. */
		settle();
		GOT(recv(server, buffer, 100, MSG_DONTWAIT));
	}
}

static void restart(void)
{
	interrupt_receive(SA_RESTART);
}

static void no_restart(void)
{
	interrupt_receive(0);
}

static void short_timeout(int fd, int option)
{
	struct timeval timeout = {.tv_usec = 200000};

	if (setsockopt(fd, SOL_SOCKET, option, &timeout, sizeof(timeout)))
		die("timeout");
}

/* The kernel counts timeouts in ticks. On a busy machine it may make up for late ticks at once, so
 * that a timeout of 200 ms is much shorter. */
#define WAITED_MS 40

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void receive_timeout(void)
{
	int round;

	short_timeout(server, SO_RCVTIMEO);
	for (round = 0; round < 2; round++) {
		long begin = now_ms();

		GOT(recv(server, buffer, 100, 0));
		say("waited: %d", now_ms() - begin >= WAITED_MS);
		if (!round)
			mid();
		SAW(send(client, "hello", 5, 0));
		GOT(recv(server, buffer, 100, 0));
	}
}

/* A signal ends a receive that has a timeout, even with SA_RESTART. This timeout never passes. */
static void timeout_and_signal(void)
{
	struct timeval timeout = {.tv_sec = 3600};
	struct task *reader;

	if (setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)))
		die("timeout");
	handle(SA_RESTART);
	reader = start(receive_once);
	until_asleep_in(reader, SYS_recvfrom);
	mid();
	interrupt_with(reader, SIGUSR1);
	finish(reader);
	say("handled: %d", handled);
}

static void fill(void)
{
	struct pollfd one = {.fd = client, .events = POLLOUT};
	int refusals = 0;

	while (refusals < 10) {
		if (send(client, buffer, sizeof(buffer), MSG_DONTWAIT) > 0)
			refusals = 0;
		else if (!poll(&one, 1, 50))
			refusals++;
	}
}

/* The queue may have room for a few more bytes. */
static void send_too_much(int error)
{
	ssize_t done = send(client, buffer, sizeof(buffer), 0);

	if (done < (ssize_t)sizeof(buffer) && (done > 0 || errno == error))
		say("send ends early, or with %s", strerrorname_np(error));
	else
		saw("send", done);
}

static void send_timeout(void)
{
	long begin;

	short_timeout(client, SO_SNDTIMEO);
	fill();
	mid();
	begin = now_ms();
	send_too_much(EAGAIN);
	say("waited: %d", now_ms() - begin >= WAITED_MS);
}

static void send_once(void)
{
	send_too_much(EINTR);
}

static void interrupt_send(void)
{
	struct task *sender;

	handle(0);
	fill();
	sender = start(send_once);
	until_asleep_in(sender, SYS_sendto);
	mid();
	interrupt_with(sender, SIGUSR1);
	finish(sender);
	say("handled: %d", handled);
}

const struct probe signal_probes[] = {
    {"signal-sa-restart", restart},
    {"signal-without-restart", no_restart},
    {"so-rcvtimeo", receive_timeout},
    {"so-rcvtimeo-and-signal", timeout_and_signal},
    {"so-sndtimeo", send_timeout},
    {"signal-in-send", interrupt_send},
    {},
};
