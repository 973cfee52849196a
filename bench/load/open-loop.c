// SPDX-License-Identifier: Apache-2.0
/* HTTP/1.1 requests at a fixed rate over kept connections, each timed from the moment at which it
 * was due. A request that finds every connection busy waits, and its waiting counts: a server that
 * stalls cannot keep the requests away that would have shown it (coordinated omission).
 *
 * open-loop ADDRESS PATH BODY-BYTES CONNECTIONS RATE MILLISECONDS
 *	prints for each request: when it was due (us since the epoch), status, time to its answer
 *	(us), as h2load's log has them. Requests that could not be sent within twice the time are
 *	given up: status 0, and the time until then. A wrong answer ends it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 1024
#define HEAD_SIZE	4096
#define BUFFER_SIZE	(256 << 10)
#define NS		1000000000LL
/* For what is under way at the end. */
#define PATIENCE_NS (20 * NS)

struct connection {
	int fd;
	int64_t request; /* the one under way, or -1 */
	uint64_t body_left;
	size_t head_length;
	int in_body;
	char head[HEAD_SIZE + 1];
};

static struct connection connections[MAX_CONNECTIONS];
static int idle[MAX_CONNECTIONS];
static int idle_count;
static char request_text[1024];
static uint64_t body_bytes;
static int64_t *latency_ns; /* of each request; 0: not answered */
static int64_t start, interval_x1000, total, sent, answered;

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS + ts.tv_nsec;
}

/* In thousandths of a nanosecond inside, so that no rate drifts. */
static int64_t due(int64_t request)
{
	return start + (int64_t)((__int128)request * interval_x1000 / 1000);
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void wrong(const char *what)
{
	fprintf(stderr, "a wrong answer: %s\n", what);
	exit(1);
}

static int open_connection(const char *address)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	const char *colon = strrchr(address, ':');
	int is_unix = !strncmp(address, "unix:", 5);
	char host[64] = "";
	int one = 1;
	int fd;

	if (is_unix) {
		snprintf(un.sun_path, sizeof(un.sun_path), "%s", address + 5);
	} else {
		if (!colon || (size_t)(colon - address) >= sizeof(host)) {
			errno = EINVAL;
			die(address);
		}
		memcpy(host, address, colon - address);
		in.sin_port = htons(atoi(colon + 1));
		if (inet_pton(AF_INET, host, &in.sin_addr) != 1) {
			errno = EINVAL;
			die(address);
		}
	}
	fd = socket(is_unix ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, is_unix ? (struct sockaddr *)&un : (struct sockaddr *)&in,
			      is_unix ? sizeof(un) : sizeof(in)))
		die(address);
	if (!is_unix)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

/* Sends what is due, oldest first, as long as a connection is free. */
static void send_due(int64_t time, int64_t last_chance)
{
	size_t length = strlen(request_text);

	while (idle_count && sent < total && due(sent) <= time && time < last_chance) {
		struct connection *c = &connections[idle[--idle_count]];

		/* One request is under way at most, so it always fits. */
		if (send(c->fd, request_text, length, MSG_NOSIGNAL) != (ssize_t)length)
			die("send");
		c->request = sent++;
		c->head_length = 0;
		c->in_body = 0;
	}
}

static void finish(struct connection *c)
{
	latency_ns[c->request] = now() - due(c->request);
	answered++;
	c->request = -1;
	idle[idle_count++] = c - connections;
}

/* Takes the part of a response that has come; returns how much of it belongs to the body. */
static size_t take_head(struct connection *c, const char *data, size_t size)
{
	size_t room = HEAD_SIZE - c->head_length;
	size_t before = c->head_length;
	size_t taken = size < room ? size : room;
	char *end, *field;

	memcpy(c->head + before, data, taken);
	c->head_length += taken;
	c->head[c->head_length] = 0;
	end = strstr(c->head, "\r\n\r\n");
	if (!end) {
		if (c->head_length == HEAD_SIZE)
			wrong("its head has no end");
		return 0;
	}
	if (strncmp(c->head, "HTTP/1.1 200 ", 13))
		wrong(strtok(c->head, "\r\n"));
	field = strcasestr(c->head, "\r\nContent-Length:");
	if (!field || field > end || strtoull(field + 17, NULL, 10) != body_bytes)
		wrong("another length than asked for");
	c->in_body = 1;
	c->body_left = body_bytes;
	return size - (end + 4 - c->head - before);
}

static void receive(struct connection *c)
{
	static char buffer[BUFFER_SIZE];
	ssize_t got;

	while ((got = recv(c->fd, buffer, sizeof(buffer), 0)) > 0) {
		size_t body = got;

		if (c->request < 0)
			wrong("to no request");
		if (!c->in_body)
			body = take_head(c, buffer, got);
		if (!c->in_body)
			continue;
		if (body > c->body_left)
			wrong("more than asked for");
		c->body_left -= body;
		if (!c->body_left)
			finish(c);
	}
	if (!got) {
		fprintf(stderr, "a connection was closed\n");
		exit(1);
	}
	if (errno != EAGAIN && errno != EINTR)
		die("receive");
}

static void run(int epoll, int timer)
{
	int64_t end = due(total);
	int64_t last_chance = end + (end - start);

	for (;;) {
		struct epoll_event events[64];
		struct itimerspec wake = {};
		int64_t time = now();
		int64_t next;
		int count, i;

		send_due(time, last_chance);
		if (answered == sent && (sent == total || time >= last_chance))
			return;
		if (time > last_chance + PATIENCE_NS) {
			fprintf(stderr, "%lld requests were not answered\n",
				(long long)(sent - answered));
			exit(1);
		}
		/* With every connection busy nothing can be sent before an answer comes. */
		next =
		    sent < total && idle_count && time < last_chance ? due(sent) : time + NS / 10;
		wake.it_value.tv_sec = next / NS;
		wake.it_value.tv_nsec = next % NS;
		timerfd_settime(timer, TFD_TIMER_ABSTIME, &wake, NULL);
		count = epoll_wait(epoll, events, 64, -1);
		for (i = 0; i < count; i++) {
			uint64_t ticks;

			if (events[i].data.ptr)
				receive(events[i].data.ptr);
			else if (read(timer, &ticks, sizeof(ticks)) < 0 && errno != EAGAIN)
				die("timer");
		}
	}
}

int main(int argc, char **argv)
{
	struct timespec epoch;
	int64_t offset, gave_up, i;
	int count, epoll, timer;
	double rate;

	if (argc != 7) {
		fprintf(stderr, "usage: open-loop ADDRESS PATH BODY-BYTES CONNECTIONS RATE "
				"MILLISECONDS\n");
		return 2;
	}
	snprintf(request_text, sizeof(request_text), "GET %s HTTP/1.1\r\nHost: bench\r\n\r\n",
		 argv[2]);
	body_bytes = strtoull(argv[3], NULL, 10);
	count = atoi(argv[4]);
	rate = atof(argv[5]);
	total = rate * atof(argv[6]) / 1e3;
	if (count < 1 || count > MAX_CONNECTIONS || rate <= 0 || total < 1) {
		fprintf(stderr, "open-loop: nothing to do\n");
		return 2;
	}
	interval_x1000 = 1e12 / rate;
	latency_ns = calloc(total, sizeof(*latency_ns));
	epoll = epoll_create1(EPOLL_CLOEXEC);
	timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (!latency_ns || epoll < 0 || timer < 0)
		die("open-loop");
	prctl(PR_SET_TIMERSLACK, 1);
	epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &(struct epoll_event){.events = EPOLLIN});
	for (i = 0; i < count; i++) {
		struct connection *c = &connections[i];

		c->fd = open_connection(argv[1]);
		c->request = -1;
		idle[idle_count++] = i;
		epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd,
			  &(struct epoll_event){.events = EPOLLIN, .data.ptr = c});
	}
	clock_gettime(CLOCK_REALTIME, &epoch);
	start = now();
	offset = epoch.tv_sec * NS + epoch.tv_nsec - start;
	run(epoll, timer);
	gave_up = now();
	for (i = 0; i < total; i++) {
		int64_t ns = i < sent ? latency_ns[i] : gave_up - due(i);

		printf("%lld\t%d\t%lld\n", (long long)((due(i) + offset) / 1000),
		       i < sent ? 200 : 0, (long long)(ns / 1000));
	}
	return 0;
}
