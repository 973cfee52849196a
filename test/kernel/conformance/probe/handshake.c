// SPDX-License-Identifier: Apache-2.0
/* Connections that do not begin with a plain handshake over IPv4. */
#define _GNU_SOURCE
#include "probe.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

/* The first turns after the start of any connection. */
static void turns(void)
{
	int round;

	for (round = 0; round < 3; round++) {
		SAW(send(client, "question", 8, 0));
		GOT(recv(server, buffer, 100, 0));
		if (!round)
			mid();
		SAW(send(server, "answer", 6, 0));
		GOT(recv(client, buffer, 100, 0));
	}
	SAW(shutdown(client, SHUT_WR));
	GOT(recv(server, buffer, 100, 0));
	SAW(close(server));
	GOT(recv(client, buffer, 100, 0));
}

static void open_ipv6(void)
{
	open_tcp(AF_INET6, "::1", 0, 0);
}

static void open_mapped(void)
{
	open_tcp(AF_INET6, "::ffff:127.0.0.1", 0, 0);
}

static void open_mptcp_listener(void)
{
	open_tcp(AF_INET, "127.0.0.1", IPPROTO_MPTCP, 0);
}

static void open_mptcp(void)
{
	open_tcp(AF_INET, "127.0.0.1", IPPROTO_MPTCP, IPPROTO_MPTCP);
}

/* Writes a setting of this network namespace. */
static void set_system(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		not_here(path);
	close(fd);
}

static void open_syncookie(void)
{
	set_system("/proc/sys/net/ipv4/tcp_syncookies", "2");
	open_ipv4();
}

static int listen_anywhere(struct sockaddr_in *address)
{
	socklen_t length = sizeof(*address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	*address =
	    (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (bind(listener, (struct sockaddr *)address, length) ||
	    setsockopt(listener, IPPROTO_TCP, TCP_FASTOPEN, &(int){8}, sizeof(int)) ||
	    listen(listener, 8) || getsockname(listener, (struct sockaddr *)address, &length))
		die("listen");
	return listener;
}

/* The first bytes travel with the SYN. No cookie is needed. */
static void open_fast(void)
{
	struct pollfd established = {.events = POLLOUT};
	struct sockaddr_in address;
	struct tcp_info info;
	socklen_t length = sizeof(info);
	int listener;

	set_system("/proc/sys/net/ipv4/tcp_fastopen", "1543");
	listener = listen_anywhere(&address);
	client = socket(AF_INET, SOCK_STREAM, 0);
	established.fd = client;
	SAW(sendto(client, "early", 5, MSG_FASTOPEN, (struct sockaddr *)&address, sizeof(address)));
	server = accept(listener, NULL, NULL);
	/* The client does not wait for the answer to its SYN. */
	poll(&established, 1, -1);
	getsockopt(client, IPPROTO_TCP, TCP_INFO, &info, &length);
	say("sent with the SYN: %d", !!(info.tcpi_options & TCPI_OPT_SYN_DATA));
	GOT(recv(server, buffer, 100, 0));
	close(listener);
}

static void repair(int fd, int on)
{
	if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)))
		not_here("TCP_REPAIR");
}

static uint32_t sequence(int fd, int queue)
{
	set_option(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, queue);
	return get_option(fd, IPPROTO_TCP, TCP_QUEUE_SEQ);
}

/* Does what a checkpoint of the process would do: notes how far both directions have come, and what
 * is unread. */
static void checkpoint(void)
{
	uint32_t sent, received;

	repair(client, 1);
	repair(server, 1);
	sent = sequence(client, TCP_SEND_QUEUE);
	received = sequence(server, TCP_RECV_QUEUE);
	repair(client, -1);
	repair(server, -1);
	mid();
	SAW(send(client, "hello", 5, 0));
	settle();
	GOT(recv(server, buffer, 10, 0));
	SAW(send(client, "unread", 6, 0));
	settle();
	repair(client, 1);
	repair(server, 1);
	say("sent %u", sequence(client, TCP_SEND_QUEUE) - sent);
	say("received %u", sequence(server, TCP_RECV_QUEUE) - received);
	GOT(recv(server, buffer, 10, MSG_PEEK | MSG_DONTWAIT));
	repair(client, -1);
	repair(server, -1);
	GOT(recv(server, buffer, 10, MSG_DONTWAIT));
}

/* Gives two sockets the state of a connection that never had a handshake, as a restored process
 * does. */
static void open_restored(void)
{
	struct sockaddr_in names[2] = {};
	int *ends[2] = {&client, &server}, i, queue;
	/* Numbers of the first bytes after the restore: the send number of one end is the receive
	 * number of the other. */
	static const uint32_t numbers[2] = {1000000, 2000000};

	for (i = 0; i < 2; i++) {
		socklen_t length = sizeof(names[i]);

		names[i] = (struct sockaddr_in){.sin_family = AF_INET,
						.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		*ends[i] = socket(AF_INET, SOCK_STREAM, 0);
		repair(*ends[i], 1);
		if (bind(*ends[i], (struct sockaddr *)&names[i], length) ||
		    getsockname(*ends[i], (struct sockaddr *)&names[i], &length))
			die("bind");
	}
	for (i = 0; i < 2; i++) {
		for (queue = TCP_RECV_QUEUE; queue <= TCP_SEND_QUEUE; queue++) {
			uint32_t number = numbers[queue == TCP_SEND_QUEUE ? i : !i];

			set_option(*ends[i], IPPROTO_TCP, TCP_REPAIR_QUEUE, queue);
			set_option(*ends[i], IPPROTO_TCP, TCP_QUEUE_SEQ, number);
		}
		if (connect(*ends[i], (struct sockaddr *)&names[!i], sizeof(names[i])))
			die("connect");
	}
	repair(client, 0);
	repair(server, 0);
}

const struct probe handshake_probes[] = {
    {"ipv6", turns, .open = open_ipv6},
    {"ipv4-mapped", turns, .open = open_mapped},
    {"mptcp-listener", turns, .open = open_mptcp_listener},
    {"mptcp", turns, .open = open_mptcp},
    {"syncookies", turns, .open = open_syncookie},
    {"tcp-fastopen", turns, .open = open_fast},
    {"tcp-repair-checkpoint", checkpoint},
    {"tcp-repair-restored", turns, .open = open_restored},
    {},
};
