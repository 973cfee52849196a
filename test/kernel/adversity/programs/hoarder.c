// SPDX-License-Identifier: Apache-2.0
/* `hoarder N`: N connections whose ends read only on command.
 *
 *	hoard M		M messages of one byte in each direction of each connection
 */
#include "both-ends.h"

static long hoard(long messages, long unused)
{
	struct connection *one;
	long i;

	(void)unused;
	for (one = connections; one < connections + count; one++)
		for (i = 0; i < messages; i++) {
			push(one, CLIENT, 1, MSG_DONTWAIT);
			push(one, SERVER, 1, MSG_DONTWAIT);
		}
	return 1;
}

int main(int argc, char **argv)
{
	static const struct command commands[] = {{"hoard", hoard}, {NULL, NULL}};

	open_connections(argc > 1 ? atoi(argv[1]) : 1, SOCK_NONBLOCK);
	obey(commands);
	return 0;
}
