// SPDX-License-Identifier: Apache-2.0
/* One-way bulk over blocking sockets, as a simple application would send it.
 *
 * receive HOST:PORT unix:PATH
 *	takes connections on both addresses until it is killed; every byte is checked against its
 *	place in the stream; at the end of a stream it answers with the number of right bytes
 * send ADDRESS CONNECTIONS WRITE-BYTES MILLISECONDS
 *	prints `BYTES SECONDS` over all connections: the time lasts until the last answer
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* A prime, so that bytes that are moved by the size of a buffer do not look right. */
#define PERIOD	    251
#define BUFFER_SIZE (256 << 10)
#define MAX_STREAMS 1024

static unsigned char pattern[BUFFER_SIZE + PERIOD];

struct stream {
	pthread_t thread;
	const char *address;
	size_t write_size;
	double duration;
	uint64_t bytes;
	int failed;
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int open_socket(const char *address, struct sockaddr_storage *to, socklen_t *length)
{
	struct sockaddr_in *in = (struct sockaddr_in *)to;
	struct sockaddr_un *un = (struct sockaddr_un *)to;
	const char *colon = strrchr(address, ':');
	char host[64] = "";

	memset(to, 0, sizeof(*to));
	if (!strncmp(address, "unix:", 5)) {
		un->sun_family = AF_UNIX;
		snprintf(un->sun_path, sizeof(un->sun_path), "%s", address + 5);
		*length = sizeof(*un);
	} else {
		if (!colon || (size_t)(colon - address) >= sizeof(host)) {
			errno = EINVAL;
			die(address);
		}
		memcpy(host, address, colon - address);
		in->sin_family = AF_INET;
		in->sin_port = htons(atoi(colon + 1));
		if (inet_pton(AF_INET, host, &in->sin_addr) != 1) {
			errno = EINVAL;
			die(address);
		}
		*length = sizeof(*in);
	}
	return socket(to->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* Naive redirection lets a blocking read fail with EAGAIN; an application would try again. */
static ssize_t read_again(int fd, void *buffer, size_t size)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	ssize_t got;

	while ((got = read(fd, buffer, size)) < 0 && (errno == EAGAIN || errno == EINTR))
		poll(&ready, 1, -1);
	return got;
}

/* Naive redirection has no bound: ahead of a slow reader it takes all memory of TCP. An application
 * would fail; here it waits, so that there is something to compare with. */
static ssize_t write_again(int fd, const void *buffer, size_t size)
{
	ssize_t sent;

	while ((sent = write(fd, buffer, size)) < 0 && (errno == ENOMEM || errno == EINTR))
		poll(NULL, 0, 1);
	return sent;
}

static void *receive_stream(void *argument)
{
	int fd = (int)(intptr_t)argument;
	unsigned char *buffer = malloc(BUFFER_SIZE);
	uint64_t right = 0;
	ssize_t got;

	while (buffer && (got = read_again(fd, buffer, BUFFER_SIZE)) > 0) {
		if (memcmp(buffer, pattern + right % PERIOD, got))
			break;
		right += got;
	}
	if (write(fd, &right, sizeof(right)) != sizeof(right))
		perror("answer");
	free(buffer);
	close(fd);
	return NULL;
}

static void *accept_streams(void *argument)
{
	const char *address = argument;
	struct sockaddr_storage to;
	socklen_t length;
	pthread_t thread;
	int one = 1;
	int fd;

	fd = open_socket(address, &to, &length);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&to, length) || listen(fd, MAX_STREAMS))
		die(address);
	for (;;) {
		int stream = accept(fd, NULL, NULL);

		if (stream < 0)
			die("accept");
		if (pthread_create(&thread, NULL, receive_stream, (void *)(intptr_t)stream))
			die("pthread_create");
		pthread_detach(thread);
	}
	return NULL;
}

static void *send_stream(void *argument)
{
	struct stream *stream = argument;
	struct sockaddr_storage to;
	uint64_t answered = 0;
	socklen_t length;
	double end;
	int fd;

	stream->failed = 1;
	fd = open_socket(stream->address, &to, &length);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, length)) {
		perror(stream->address);
		return NULL;
	}
	end = now() + stream->duration;
	while (now() < end) {
		size_t left = stream->write_size;

		while (left) {
			ssize_t sent = write_again(fd, pattern + stream->bytes % PERIOD, left);

			if (sent <= 0) {
				perror("send");
				return NULL;
			}
			stream->bytes += sent;
			left -= sent;
		}
	}
	shutdown(fd, SHUT_WR);
	if (read_again(fd, &answered, sizeof(answered)) != sizeof(answered))
		perror("wait for the answer");
	else if (answered != stream->bytes)
		fprintf(stderr, "%llu bytes sent, %llu arrived right\n",
			(unsigned long long)stream->bytes, (unsigned long long)answered);
	else
		stream->failed = 0;
	close(fd);
	return NULL;
}

static int send_all(const char *address, int count, size_t write_size, double duration)
{
	static struct stream streams[MAX_STREAMS];
	double start = now();
	uint64_t bytes = 0;
	int failed = 0;
	int i;

	for (i = 0; i < count; i++) {
		streams[i] = (struct stream){
		    .address = address, .write_size = write_size, .duration = duration};
		if (pthread_create(&streams[i].thread, NULL, send_stream, &streams[i]))
			die("pthread_create");
	}
	for (i = 0; i < count; i++) {
		pthread_join(streams[i].thread, NULL);
		bytes += streams[i].bytes;
		failed |= streams[i].failed;
	}
	printf("%llu %.6f\n", (unsigned long long)bytes, now() - start);
	return failed;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	size_t i;

	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < sizeof(pattern); i++)
		pattern[i] = i % PERIOD;

	if (argc == 4 && !strcmp(argv[1], "receive")) {
		/* The sidecar that connects to the Unix socket has another user. */
		umask(0);
		if (pthread_create(&thread, NULL, accept_streams, argv[3]))
			die("pthread_create");
		accept_streams(argv[2]);
	}
	if (argc == 6 && !strcmp(argv[1], "send")) {
		int count = atoi(argv[3]);
		int write_size = atoi(argv[4]);

		if (count > 0 && count <= MAX_STREAMS && write_size > 0 &&
		    write_size <= BUFFER_SIZE)
			return send_all(argv[2], count, write_size, atoi(argv[5]) / 1e3);
	}
	fprintf(stderr, "usage: stream receive HOST:PORT unix:PATH\n"
			"       stream send ADDRESS CONNECTIONS WRITE-BYTES MILLISECONDS\n");
	return 2;
}
