// SPDX-License-Identifier: Apache-2.0
/* Both ends of one connection. It takes commands on the standard input, and answers each by a line
 * of JSON:
 *
 *	turns N		N bytes there and one back, a hundred times
 *	flood N		non-blocking sends of N bytes each until the sender has been refused for
 *			as long as REFUSALS polls take
 *	send N		N bytes there, and no answer
 *	drain		reads all that was sent and checks it
 *	inquire		the same, but waits for edges, and reads only while FIONREAD reports bytes
 *	edges		the same, but takes a receive of less than it asked for as the last one
 *			before the next edge
 *	waitall		reads with MSG_WAITALL from now on
 *	keepalive S	the reader gets a keepalive after S seconds, and then every S seconds
 *	keepalive 0	the same, with the pauses of the sysctls
 *	splice N	N bytes there, which the reader takes by splice
 *	block		the sender blocks from now on
 *	look		does nothing
 *	numbers		prints the sequence numbers of the sender's and the reader's first bytes
 *
 * Each answer has the reader's TCP_KEEPIDLE and TCP_KEEPINTVL, and how many packets it has sent.
 */
#define _GNU_SOURCE
#include "stress/pattern.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define REFUSALS  20
#define POLL_MS	  50
#define EDGE_MS	  60000
#define TURNS	  100
#define BUFFER	  (1 << 20)
#define FLOOD_TAG 0x666c6f6f64ULL
/* Offset of a field that the C library's struct tcp_info lacks (linux/tcp.h). */
#define SEGS_OUT 136

static unsigned char buffer[BUFFER];
static uint64_t sent, received;
static int sender, reader, flags;
static uint32_t answers, own_first, peer_first;

static void die(const char *what)
{
	fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void connect_both(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 1))
		die("listen");
	getsockname(listener, (struct sockaddr *)&address, &length);
	sender = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(sender, (struct sockaddr *)&address, length))
		die("connect");
	reader = accept(listener, NULL, NULL);
	setsockopt(sender, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	fcntl(sender, F_SETFL, O_NONBLOCK);
	fcntl(reader, F_SETFL, O_NONBLOCK);
	close(listener);
}

static void wait_for(int fd, short events)
{
	struct pollfd one = {.fd = fd, .events = events};

	poll(&one, 1, -1);
}

static void send_bytes(size_t length)
{
	while (length) {
		ssize_t done;

		pattern_fill(FLOOD_TAG, sent, buffer, length);
		done = send(sender, buffer, length, MSG_NOSIGNAL);
		if (done < 0 && errno != EAGAIN)
			die("send");
		if (done < 0) {
			wait_for(sender, POLLOUT);
			continue;
		}
		sent += done;
		length -= done;
	}
}

/* Returns whether there were bytes. */
static int receive(void)
{
	ssize_t done = recv(reader, buffer, BUFFER, flags);

	if (done == 0 || (done < 0 && errno != EAGAIN))
		die("recv");
	if (done < 0)
		return 0;
	if (pattern_check(FLOOD_TAG, received, buffer, done) != (size_t)done)
		die("wrong bytes");
	received += done;
	return 1;
}

static void drain(void)
{
	while (received < sent)
		if (!receive())
			wait_for(reader, POLLIN);
}

static void inquire(void)
{
	int there;

	for (;;) {
		if (ioctl(reader, FIONREAD, &there))
			die("FIONREAD");
		if (!there)
			break;
		receive();
	}
}

static void splice_bytes(size_t length)
{
	int ends[2];

	if (pipe(ends))
		die("pipe");
	send_bytes(length);
	while (received < sent) {
		ssize_t done = splice(reader, NULL, ends[1], NULL, sent - received, 0);

		if (done > 0)
			received += done;
		else if (done == 0 || errno != EAGAIN)
			die("splice");
		else
			wait_for(reader, POLLIN);
	}
	close(ends[0]);
	close(ends[1]);
}

/* Reads at each edge until all is read. */
static void at_edges(void (*read)(void))
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	int edges = epoll_create1(0);

	if (epoll_ctl(edges, EPOLL_CTL_ADD, reader, &event))
		die("epoll_ctl");
	while (received < sent) {
		if (epoll_wait(edges, &event, 1, EDGE_MS) != 1)
			die("no edge");
		read();
	}
	close(edges);
}

/* The buffer is larger than all that can be unread. */
static void receive_once(void)
{
	receive();
}

static int keepalive(int name)
{
	int value = 0;
	socklen_t length = sizeof(value);

	getsockopt(reader, IPPROTO_TCP, name, &value, &length);
	return value;
}

static void keep_alive(int seconds)
{
	int on = 1;

	if (setsockopt(reader, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) ||
	    (seconds &&
	     (setsockopt(reader, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds)) ||
	      setsockopt(reader, IPPROTO_TCP, TCP_KEEPINTVL, &seconds, sizeof(seconds)))))
		die("keepalive");
}

static uint32_t packets(void)
{
	char info[256] = {};
	socklen_t length = sizeof(info);
	uint32_t count;

	if (getsockopt(reader, IPPROTO_TCP, TCP_INFO, info, &length))
		die("TCP_INFO");
	memcpy(&count, info + SEGS_OUT, sizeof(count));
	return count;
}

static void take_turns(size_t length)
{
	int turn;
	char answer;

	for (turn = 0; turn < TURNS; turn++) {
		send_bytes(length);
		drain();
		if (send(reader, "", 1, MSG_NOSIGNAL) != 1)
			die("answer");
		wait_for(sender, POLLIN);
		if (recv(sender, &answer, 1, 0) != 1)
			die("answer");
		answers++;
	}
}

static uint32_t queue_seq(int queue)
{
	uint32_t seq;
	socklen_t length = sizeof(seq);

	if (setsockopt(sender, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof(queue)) ||
	    getsockopt(sender, IPPROTO_TCP, TCP_QUEUE_SEQ, &seq, &length))
		die("TCP_QUEUE_SEQ");
	return seq;
}

/* Reads the numbers by TCP_REPAIR, which needs CAP_NET_ADMIN, while nothing is under way. */
static void numbers(void)
{
	int on = 1, off = -1;

	if (setsockopt(sender, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)))
		die("TCP_REPAIR");
	own_first = queue_seq(2) - (uint32_t)sent;
	peer_first = queue_seq(1) - answers;
	if (setsockopt(sender, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off)))
		die("TCP_REPAIR");
}

static void flood(size_t length)
{
	int refusals = 0;

	while (refusals < REFUSALS) {
		struct pollfd one = {.fd = sender, .events = POLLOUT};
		ssize_t done;

		pattern_fill(FLOOD_TAG, sent, buffer, length);
		done = send(sender, buffer, length, MSG_NOSIGNAL);
		if (done > 0) {
			sent += done;
			refusals = 0;
		} else if (errno != EAGAIN) {
			die("send");
		} else if (!poll(&one, 1, POLL_MS)) {
			refusals++;
		}
	}
}

int main(void)
{
	char line[64];

	connect_both();
	while (fgets(line, sizeof(line), stdin)) {
		char command[16] = "";
		size_t length = 0;

		sscanf(line, "%15s %zu", command, &length);
		if (!strcmp(command, "turns"))
			take_turns(length);
		else if (!strcmp(command, "send"))
			send_bytes(length);
		else if (!strcmp(command, "flood"))
			flood(length);
		else if (!strcmp(command, "drain"))
			drain();
		else if (!strcmp(command, "inquire"))
			at_edges(inquire);
		else if (!strcmp(command, "edges"))
			at_edges(receive_once);
		else if (!strcmp(command, "waitall"))
			flags = MSG_WAITALL;
		else if (!strcmp(command, "keepalive"))
			keep_alive(length);
		else if (!strcmp(command, "splice"))
			splice_bytes(length);
		else if (!strcmp(command, "block"))
			fcntl(sender, F_SETFL, 0);
		else if (!strcmp(command, "numbers"))
			numbers();
		printf("{\"event\":\"%s\",\"sent\":%llu,\"received\":%llu,\"identity\":\"%08x:%"
		       "08x\",\"keepalive\":[%d,%d],\"packets\":%u}\n",
		       command, (unsigned long long)sent, (unsigned long long)received, own_first,
		       peer_first, keepalive(TCP_KEEPIDLE), keepalive(TCP_KEEPINTVL), packets());
		fflush(stdout);
	}
	return 0;
}
