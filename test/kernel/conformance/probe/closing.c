// SPDX-License-Identifier: Apache-2.0
/* Half-closed connections, and sends after a close. */
#define _GNU_SOURCE
#include "probe.h"

static volatile int pipe_signals;

static void count_pipe(int signal)
{
	(void)signal;
	pipe_signals++;
}

static void receive_in_thread(void)
{
	GOT(recv(server, buffer, sizeof(buffer), 0));
	GOT(recv(server, buffer, sizeof(buffer), 0));
}

static void half_close(int from, int to)
{
	SAW(send(from, "last", 4, 0));
	mid();
	SAW(shutdown(from, SHUT_WR));
	await_events(to, POLLRDHUP);
	GOT(recv(to, buffer, 10, 0));
	GOT(recv(to, buffer, 10, 0));
	SAW(send(to, "answer", 6, 0));
	settle();
	GOT(recv(from, buffer, 10, 0));
	SAW(send(to, "more", 4, 0));
	settle();
	GOT(recv(from, buffer, 10, 0));
	SAW(shutdown(to, SHUT_WR));
	await_events(from, POLLRDHUP);
	GOT(recv(from, buffer, 10, 0));
	await_events(to, POLLHUP);
}

static void by_client(void)
{
	half_close(client, server);
}

static void by_server(void)
{
	half_close(server, client);
}

static void blocked_reader(void)
{
	struct task *reader = start(receive_in_thread);

	until_asleep_in(reader, SYS_recvfrom);
	mid();
	SAW(send(client, "last", 4, 0));
	SAW(shutdown(client, SHUT_WR));
	finish(reader);
}

static void wait_for_answer(void)
{
	GOT(recv(client, buffer, sizeof(buffer), 0));
	GOT(recv(client, buffer, sizeof(buffer), 0));
}

/* Half-closes while it waits for the answer. */
static void waiting_for_answer(void)
{
	struct task *reader = start(wait_for_answer);

	until_asleep_in(reader, SYS_recvfrom);
	mid();
	SAW(send(client, "request", 7, 0));
	GOT(recv(server, buffer, 10, 0));
	SAW(shutdown(client, SHUT_WR));
	GOT(recv(server, buffer, 10, 0));
	/* The answer takes longer than the acknowledgement of the FIN. */
	settle();
	SAW(send(server, "answer", 6, 0));
	SAW(close(server));
	finish(reader);
}

/* Half-closes first and then waits in a receive, like a client that sends one request. */
static void answer_after_half_close(void)
{
	struct task *reader;

	SAW(send(client, "request", 7, 0));
	mid();
	SAW(shutdown(client, SHUT_WR));
	reader = start(wait_for_answer);
	until_asleep_in(reader, SYS_recvfrom);
	GOT(recv(server, buffer, 10, 0));
	GOT(recv(server, buffer, 10, 0));
	SAW(send(server, "answer", 6, 0));
	SAW(close(server));
	finish(reader);
}

static void shut_reading(void)
{
	SAW(send(client, "before", 6, 0));
	settle();
	mid();
	SAW(shutdown(server, SHUT_RD));
	look_for_events(server, POLLIN | POLLRDHUP);
	GOT(recv(server, buffer, 10, 0));
	GOT(recv(server, buffer, 10, 0));
	SAW(send(client, "after", 5, 0));
	settle();
	GOT(recv(server, buffer, 10, 0));
	GOT(recv(server, buffer, 10, 0));
}

static void receive_once(void)
{
	GOT(recv(server, buffer, sizeof(buffer), 0));
}

static void shutdown_wakes(void)
{
	struct task *reader = start(receive_once);

	until_asleep_in(reader, SYS_recvfrom);
	mid();
	SAW(shutdown(server, SHUT_RDWR));
	finish(reader);
	await_events(client, POLLRDHUP);
	GOT(recv(client, buffer, 10, 0));
}

static void send_after_shutdown(void)
{
	struct sigaction action = {.sa_handler = count_pipe};

	sigaction(SIGPIPE, &action, NULL);
	SAW(send(client, "last", 4, 0));
	mid();
	SAW(shutdown(client, SHUT_WR));
	SAW(send(client, "late", 4, MSG_NOSIGNAL));
	say("SIGPIPE: %d", pipe_signals);
	SAW(send(client, "late", 4, 0));
	say("SIGPIPE: %d", pipe_signals);
	GOT(recv(server, buffer, 10, 0));
	GOT(recv(server, buffer, 10, 0));
}

/* The kernel accepts the first send after the peer has gone. The peer answers with a reset. */
static void send_after_close(void)
{
	struct sigaction action = {.sa_handler = count_pipe};

	sigaction(SIGPIPE, &action, NULL);
	mid();
	SAW(close(server));
	await_events(client, POLLRDHUP);
	SAW(send(client, "late", 4, 0));
	await_events(client, POLLHUP);
	SAW(send(client, "late", 4, MSG_NOSIGNAL));
	say("SIGPIPE: %d", pipe_signals);
	SAW(send(client, "late", 4, 0));
	say("SIGPIPE: %d", pipe_signals);
	GOT(recv(client, buffer, 10, 0));
	SAW(get_option(client, SOL_SOCKET, SO_ERROR));
}

static void close_after_send(void)
{
	mid();
	SAW(send(client, "request", 7, 0));
	GOT(recv(server, buffer, 10, 0));
	SAW(send(server, "answer", 6, 0));
	SAW(close(server));
	await_events(client, POLLRDHUP);
	GOT(recv(client, buffer, 3, 0));
	GOT(recv(client, buffer, 10, 0));
	GOT(recv(client, buffer, 10, 0));
}

const struct probe closing_probes[] = {
    {"half-close-by-client", by_client},
    {"half-close-by-server", by_server},
    {"half-close-nonblocking", by_client, .nonblocking = true},
    {"half-close-blocked-reader", blocked_reader},
    {"half-close-while-waiting", waiting_for_answer},
    {"half-close-then-wait", answer_after_half_close},
    {"shutdown-reading", shut_reading, .nonblocking = true},
    {"shutdown-wakes-own-reader", shutdown_wakes},
    {"send-after-shutdown", send_after_shutdown},
    {"send-after-peer-closed", send_after_close},
    {"close-after-send", close_after_send},
    {},
};
