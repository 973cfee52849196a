// SPDX-License-Identifier: Apache-2.0
/* Blocking ends, one of which sleeps in recv().
 *
 *	wait		a thread sleeps in a receive of the server; the value is the process
 *	poke		the client sends 240 bytes; the value is the result of that receive
 *	duplex N	a thread sleeps in a receive of the client while another one sends N bytes,
 *which nobody reads at first; then the server reads them and answers with 240 bytes; the value is
 *the result of the client's receive
 */
#include "both-ends.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#define PATIENCE_MS 60000
#define ANSWER	    240

static struct connection *one = &connections[0];

struct sleeper {
	pthread_t thread;
	int end;
	atomic_int tid;
	atomic_int done;
	ssize_t result;
	int error;
	size_t length;
};

static struct sleeper reader, writer;

static void *receive(void *unused)
{
	struct stream *stream = &one->streams[!reader.end];
	unsigned char bytes[CHUNK];

	(void)unused;
	reader.tid = syscall(SYS_gettid);
	reader.result = recv(one->fds[reader.end], bytes, sizeof(bytes), 0);
	reader.error = reader.result < 0 ? errno : 0;
	if (reader.result > 0) {
		errno = EBADMSG;
		if (pattern_check(stream->tag, stream->received, bytes, reader.result) !=
		    (size_t)reader.result)
			die("a wrong byte");
		stream->received += reader.result;
	}
	reader.done = 1;
	return NULL;
}

static void *upload(void *unused)
{
	(void)unused;
	writer.tid = syscall(SYS_gettid);
	while (writer.length) {
		size_t done = push(one, CLIENT, writer.length, 0);

		if (!done)
			break;
		writer.length -= done;
	}
	writer.done = 1;
	return NULL;
}

/* Waits until the thread sleeps, or has ended. */
static void await_sleep(struct sleeper *sleeper)
{
	char path[64], state = 0;
	FILE *file;

	while (!sleeper->done && state != 'S') {
		usleep(1000);
		if (!sleeper->tid)
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%d/stat", sleeper->tid);
		file = fopen(path, "r");
		if (!file)
			continue;
		if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
			state = 0;
		fclose(file);
	}
}

static void start(struct sleeper *sleeper, void *(*run)(void *), int end, size_t length)
{
	sleeper->end = end;
	sleeper->tid = 0;
	sleeper->done = 0;
	sleeper->length = length;
	pthread_create(&sleeper->thread, NULL, run, NULL);
	await_sleep(sleeper);
}

static long returned(void)
{
	pthread_join(reader.thread, NULL);
	failure = reader.error;
	return reader.result;
}

static long wait_there(long unused, long unused_too)
{
	(void)unused, (void)unused_too;
	start(&reader, receive, SERVER, 0);
	return getpid();
}

static long poke(long unused, long unused_too)
{
	(void)unused, (void)unused_too;
	put(one, CLIENT, ANSWER, milliseconds() + PATIENCE_MS);
	return returned();
}

static long duplex(long length, long unused)
{
	(void)unused;
	start(&reader, receive, CLIENT, 0);
	start(&writer, upload, CLIENT, length);
	while (!writer.done || one->streams[CLIENT].received < one->streams[CLIENT].sent)
		if (wait_for(one->fds[SERVER], POLLIN, milliseconds() + 100) == 1 &&
		    !pull(one, SERVER))
			break;
	pthread_join(writer.thread, NULL);
	put(one, SERVER, ANSWER, milliseconds() + PATIENCE_MS);
	return returned();
}

int main(void)
{
	static const struct command commands[] = {
	    {"wait", wait_there}, {"poke", poke}, {"duplex", duplex}, {NULL, NULL}};

	open_connections(1, 0);
	obey(commands);
	return 0;
}
