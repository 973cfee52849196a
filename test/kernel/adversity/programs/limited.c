// SPDX-License-Identifier: Apache-2.0
/* `limited GROUP HOME N`: N connections whose servers are charged to the memory of the cgroup
 * GROUP. The program itself is in HOME.
 *
 *	press N SIZE	N times: the client sends messages of SIZE bytes until one is
 *			refused, and the server reads what is there; the value counts
 *			refusals with ENOMEM
 */
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

static long press(long times, long size)
{
	struct connection *one;
	long refused = 0;

	while (times--)
		for (one = connections; one < connections + count; one++) {
			while (push(one, CLIENT, size, MSG_DONTWAIT))
				;
			refused += failure == ENOMEM;
			if (failure != ENOMEM && failure != EAGAIN)
				return -1;
			while (pull(one, SERVER))
				;
		}
	failure = 0;
	return refused;
}

int main(int argc, char **argv)
{
	static const struct command commands[] = {{"press", press}, {NULL, NULL}};
	struct sockaddr_in address;
	int i, listener;

	if (argc < 4)
		return 2;
	/* A server socket is in the cgroup of the listener, so the agent's programs see it. The
	 * kernel charges it to the memory cgroup of the thread that accepts it.
	 */
	enter(argv[2]);
	listener = listen_on(&address);
	for (i = 0; i < atoi(argv[3]); i++) {
		int client = socket(AF_INET, SOCK_STREAM, 0);

		if (connect(client, (struct sockaddr *)&address, sizeof(address)))
			die("connect");
		enter(argv[1]);
		adopt(client, accept(listener, NULL, NULL), SOCK_NONBLOCK);
		enter(argv[2]);
	}
	obey(commands);
	return 0;
}
