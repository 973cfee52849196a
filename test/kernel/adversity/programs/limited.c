// SPDX-License-Identifier: Apache-2.0
/* `limited GROUP HOME N`: N connections whose servers are charged to the memory of the cgroup
 * GROUP. The program itself is in HOME.
 *
 *	press N SIZE	N times: the client sends messages of SIZE bytes until one is
 *			refused, and the server reads what is there; the value counts
 *			refusals with ENOMEM
 */
#include "groups.h"

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

	if (argc < 4)
		return 2;
	open_in_groups(atoi(argv[3]), argv[1], argv[2]);
	obey(commands);
	return 0;
}
