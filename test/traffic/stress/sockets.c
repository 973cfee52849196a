// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "sockets.h"
#include "stress.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#ifndef TCP_ULP
#define TCP_ULP 31
#endif

void die(const char *what)
{
	fprintf(stderr, "stress: %s: %s\n", what, strerror(errno));
	exit(1);
}

static socklen_t to_sockaddr(const char *address, uint16_t port, struct sockaddr_storage *into)
{
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)into;
	struct sockaddr_in *four = (struct sockaddr_in *)into;

	memset(into, 0, sizeof(*into));
	if (inet_pton(AF_INET6, address, &six->sin6_addr) == 1) {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons(port);
		return sizeof(*six);
	}
	four->sin_family = AF_INET;
	four->sin_port = htons(port);
	if (inet_pton(AF_INET, address, &four->sin_addr) != 1)
		die(address);
	return sizeof(*four);
}

static int open_socket(const struct sockaddr_storage *address)
{
	int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC,
			options.mptcp ? IPPROTO_MPTCP : 0);
	int one = 1;

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (options.zerocopy && setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)))
		die("SO_ZEROCOPY");
	return fd;
}

void make_nonblocking(int fd)
{
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK))
		die("O_NONBLOCK");
}

static void set_up(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (options.ulp && setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")))
		die("TCP_ULP");
}

/* Raises the limit of descriptors for thousands of connections. */
static void allow_descriptors(void)
{
	struct rlimit limit = {.rlim_cur = 16384, .rlim_max = 16384};

	setrlimit(RLIMIT_NOFILE, &limit);
}

int listen_on(void)
{
	struct sockaddr_storage address;
	socklen_t length = to_sockaddr(options.address, options.port, &address);
	int fd = open_socket(&address);

	allow_descriptors();
	if (bind(fd, (struct sockaddr *)&address, length))
		die("bind");
	if (listen(fd, 4096))
		die("listen");
	return fd;
}

int accept_one(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		die("accept");
	set_up(fd);
	return fd;
}

/* Spreads the connections over `ports` ports. So each source port serves that many connections. */
int connect_one(uint32_t index)
{
	struct sockaddr_storage address, from;
	uint16_t port = options.port + index % options.ports;
	socklen_t length = to_sockaddr(options.address, port, &address);
	int fd;

	if (!index)
		allow_descriptors();
	fd = open_socket(&address);
	if (options.from) {
		uint16_t own = options.from_port ? options.from_port + index / options.ports : 0;
		socklen_t own_length = to_sockaddr(options.from, own, &from);

		if (bind(fd, (struct sockaddr *)&from, own_length))
			die("bind");
	}
	if (connect(fd, (struct sockaddr *)&address, length))
		die("connect");
	set_up(fd);
	return fd;
}
