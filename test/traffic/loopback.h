/* SPDX-License-Identifier: Apache-2.0 */
/* One connection whose two ends are in one program. Include this file first. */
#ifndef LOOPBACK_H
#define LOOPBACK_H

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
	exit(1);
}

/* The server's end gets the flags of accept4(). */
static void connect_both(int *client, int *server, int flags)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 1))
		die("listen");
	getsockname(listener, (struct sockaddr *)&address, &length);
	*client = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(*client, (struct sockaddr *)&address, length))
		die("connect");
	*server = accept4(listener, NULL, NULL, flags);
	close(listener);
}

#endif
