/* SPDX-License-Identifier: Apache-2.0 */
/* Connections whose servers are charged to the memory of a cgroup. */
#ifndef GROUPS_H
#define GROUPS_H

#include "both-ends.h"

static void enter(const char *group)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, "0", 1) != 1)
		die(path);
	close(fd);
}

/* A server socket is in the cgroup of the listener, so the agent's programs see it. The kernel
 * charges it to the memory cgroup of the thread that accepts it. The process ends up in `home`. */
static void open_in_groups(int number, const char *group, const char *home)
{
	struct sockaddr_in address;
	int listener;

	enter(home);
	listener = listen_on(&address);
	while (number--) {
		int client = socket(AF_INET, SOCK_STREAM, 0);

		if (connect(client, (struct sockaddr *)&address, sizeof(address)))
			die("connect");
		enter(group);
		adopt(client, accept(listener, NULL, NULL), SOCK_NONBLOCK);
		enter(home);
	}
	close(listener);
}

#endif
