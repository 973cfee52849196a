// SPDX-License-Identifier: Apache-2.0
/* Both ends of one connection. Two threads of the server sleep in recv() alternately. It takes
 * commands on the standard input. It answers each by a line of JSON, with the errno of a failure:
 *
 *	turn		a message there and the same one back
 *	retire		the thread that receives next answers, then reads no more
 *	blob		makes the server send BLOB bytes, which nobody reads: its thread sleeps in
 *send() poke		a message there; nobody waits for an answer
 *	drain		reads the blob and the answer to the poke
 */
#include "loopback.h"
#include <pthread.h>
#include <stdatomic.h>

#define THREADS 2
#define MESSAGE 100
#define BLOB	(32 << 20)

static int client, server;
static atomic_int retire, retired;

static int send_all(int fd, const char *from, size_t length)
{
	while (length) {
		ssize_t done = send(fd, from, length, MSG_NOSIGNAL);

		if (done < 0)
			return errno;
		from += done;
		length -= done;
	}
	return 0;
}

static int receive_all(int fd, char *to, size_t length)
{
	while (length) {
		ssize_t done = recv(fd, to, length, 0);

		if (done <= 0)
			return done ? errno : ECONNABORTED;
		to += done;
		length -= done;
	}
	return 0;
}

/* The first byte of a message may request the blob. */
static void *serve(void *unused)
{
	char message[MESSAGE], *blob = calloc(1, BLOB);

	(void)unused;
	while (!retired) {
		ssize_t got = recv(server, message, sizeof(message), 0);
		int last = retire;

		if (got <= 0)
			break;
		if (last)
			retired = 1;
		if (message[0] == 'b' ? send_all(server, blob, BLOB)
				      : send_all(server, message, got))
			break;
		if (last)
			break;
	}
	free(blob);
	return NULL;
}

static int obey(const char *command)
{
	static char bytes[BLOB + MESSAGE];
	char message[MESSAGE] = {0};
	int error;

	if (!strcmp(command, "retire")) {
		retire = 1;
		return 0;
	}
	if (!strcmp(command, "drain"))
		return receive_all(client, bytes, BLOB + MESSAGE);
	if (!strcmp(command, "blob"))
		message[0] = 'b';
	error = send_all(client, message, sizeof(message));
	if (!error && !strcmp(command, "turn"))
		error = receive_all(client, message, sizeof(message));
	return error;
}

int main(void)
{
	pthread_t threads[THREADS];
	char line[64];
	int i;

	connect_both(&client, &server, 0);
	for (i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, serve, NULL);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		printf("{\"event\":\"%s\",\"error\":%d}\n", line, obey(line));
		fflush(stdout);
	}
	return 0;
}
