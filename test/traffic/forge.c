// SPDX-License-Identifier: Apache-2.0
/* Usage: forge [CLIENT_PORT SERVER_PORT]
 *
 * Makes connections with chosen sequence numbers, by TCP_REPAIR, which needs CAP_NET_ADMIN over the
 * network namespace. It takes commands on the standard input, and answers each by a line of JSON:
 *
 *	forge CLIENT SERVER	two sockets that are connected to each other: one whose first byte
 *				is numbered CLIENT - 1, one with SERVER (hexadecimal)
 *	claim			a byte from the first, which then counts like a SYN; and the
 *				second one anew, so that both claim (CLIENT, SERVER)
 *	turns N			a byte there and one back, N times
 *	push N			N bytes from the first to the second
 *	read			reads the second's bytes: how many of them nobody here has sent
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WINDOW 65535
#define MARK   'x'

/* linux/tcp.h */
#define REPAIR_OFF_NO_PROBE (-1)
enum { RECV_QUEUE = 1, SEND_QUEUE };

static int client = -1, server = -1, client_port = 7201, server_port = 7202;
static uint32_t first, second;

static void die(const char *what)
{
	fprintf(stderr, "forge: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void set(int fd, int level, int option, int value)
{
	if (setsockopt(fd, level, option, &value, sizeof(value)))
		die("setsockopt");
}

static struct sockaddr_in local(int port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				    .sin_port = htons(port)};
}

/* Makes an established socket without a handshake. */
static int forged(int port, int peer_port, uint32_t own, uint32_t peer)
{
	struct sockaddr_in from = local(port), to = local(peer_port);
	struct tcp_repair_window window = {.snd_wl1 = peer,
					   .snd_wnd = WINDOW,
					   .max_window = WINDOW,
					   .rcv_wnd = WINDOW,
					   .rcv_wup = peer};
	struct tcp_repair_opt mss = {.opt_code = 2, .opt_val = 1460};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0)
		die("socket");
	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	set(fd, IPPROTO_TCP, TCP_REPAIR, 1);
	set(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, SEND_QUEUE);
	set(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, own);
	set(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, RECV_QUEUE);
	set(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, peer);
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)))
		die("connect");
	if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_OPTIONS, &mss, sizeof(mss)) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &window, sizeof(window)))
		die("repair");
	return fd;
}

static void live(int fd)
{
	struct timeval patience = {.tv_sec = 10};

	set(fd, IPPROTO_TCP, TCP_REPAIR, REPAIR_OFF_NO_PROBE);
	set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

static void forge(uint32_t own, uint32_t peer)
{
	first = own;
	second = peer;
	client = forged(client_port, server_port, first - 1, second);
	server = forged(server_port, client_port, second, first - 1);
	live(client);
	live(server);
}

/* Moves one byte. The kernel counts its acknowledgement like that of a SYN. */
static void move(int from, int to, char byte)
{
	char got;

	if (send(from, &byte, 1, MSG_NOSIGNAL) != 1)
		die("send");
	if (recv(to, &got, 1, 0) != 1)
		die("recv");
}

static void claim(void)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);

	move(client, server, MARK);
	do {
		if (getsockopt(client, IPPROTO_TCP, TCP_INFO, &info, &length))
			die("TCP_INFO");
	} while (info.tcpi_unacked);
	/* In repair mode the socket closes without sending a packet. */
	set(server, IPPROTO_TCP, TCP_REPAIR, 1);
	close(server);
	server = forged(server_port, client_port, second, first);
	live(server);
}

static size_t read_server(void)
{
	char buffer[65536];
	size_t strange = 0;
	ssize_t done, i;

	while ((done = recv(server, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0)
		for (i = 0; i < done; i++)
			strange += buffer[i] != MARK;
	return strange;
}

int main(int argc, char **argv)
{
	char line[64];

	if (argc == 3) {
		client_port = atoi(argv[1]);
		server_port = atoi(argv[2]);
	}
	while (fgets(line, sizeof(line), stdin)) {
		char command[16] = "", number[16] = "";
		uint32_t other = 0;
		size_t strange = 0;
		long i, times;

		sscanf(line, "%15s %15s %x", command, number, &other);
		times = strtol(number, NULL, 10);
		if (!strcmp(command, "forge"))
			forge(strtoul(number, NULL, 16), other);
		else if (!strcmp(command, "claim"))
			claim();
		else if (!strcmp(command, "turns"))
			for (i = 0; i < times; i++) {
				move(client, server, MARK);
				move(server, client, MARK);
			}
		else if (!strcmp(command, "push"))
			for (i = 0; i < times; i++)
				move(client, server, MARK);
		else if (!strcmp(command, "read"))
			strange = read_server();
		printf("{\"event\":\"%s\",\"strange\":%zu}\n", command, strange);
		fflush(stdout);
	}
	return 0;
}
