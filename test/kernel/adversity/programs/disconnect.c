// SPDX-License-Identifier: Apache-2.0
/* A socket that is disconnected over unread bytes, and connects again.
 *
 *	disconnect N	the server sends N bytes; the client does not read them and disconnects; the
 *			value is how many bytes it receives then, the error why no more
 *	reconnect N	the same socket connects again; the new peer sends N bytes; the value is 1
 *if the client reads these and nothing else
 */
#include "both-ends.h"

#define PATIENCE_MS 10000

static int listener;
static struct sockaddr_in address;

static void open_one(int client)
{
	if (connect(client, (struct sockaddr *)&address, sizeof(address)))
		die("connect");
	count = 0;
	adopt(client, accept(listener, NULL, NULL), SOCK_NONBLOCK);
}

static long disconnect(long length, long unused)
{
	struct sockaddr nobody = {.sa_family = AF_UNSPEC};
	struct connection *one = connections;
	unsigned char bytes[CHUNK];
	ssize_t done;

	(void)unused;
	if (!put(one, SERVER, length, milliseconds() + PATIENCE_MS) ||
	    wait_for(one->fds[CLIENT], POLLIN, milliseconds() + PATIENCE_MS) != 1)
		return -1;
	if (connect(one->fds[CLIENT], &nobody, sizeof(nobody)))
		die("disconnect");
	close(one->fds[SERVER]);
	done = recv(one->fds[CLIENT], bytes, sizeof(bytes), MSG_DONTWAIT);
	failure = done < 0 ? errno : 0;
	return done < 0 ? 0 : done;
}

static long reconnect(long length, long unused)
{
	struct connection *one = connections;

	(void)unused;
	if (fcntl(one->fds[CLIENT], F_SETFL, 0))
		die("fcntl");
	open_one(one->fds[CLIENT]);
	return put(one, SERVER, length, milliseconds() + PATIENCE_MS) &&
	       get(one, CLIENT, milliseconds() + PATIENCE_MS);
}

int main(void)
{
	static const struct command commands[] = {
	    {"disconnect", disconnect}, {"reconnect", reconnect}, {NULL, NULL}};

	listener = listen_on(&address);
	open_one(socket(AF_INET, SOCK_STREAM, 0));
	obey(commands);
	return 0;
}
