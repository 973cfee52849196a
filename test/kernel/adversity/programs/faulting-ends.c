// SPDX-License-Identifier: Apache-2.0
/* A server that page-faults inside recv() or send(). It holds the lock of its socket until the
 * fault is resolved.
 *
 *	fault		the server receives into a page that is missing: 1 once it faults
 *	fault-in-send	the server sends from that page: 1 once it faults
 *	send MS		the client sends without waiting, in a thread: the value is the
 *			milliseconds that it took, -1 when it has not returned after MS
 *	release		the page is there; the value is 1 once all that was sent has arrived
 *	enter		another thread of the server waits for that lock inside recv(), and a
 *			real-time thread keeps it from its processor: 1 once this is so
 *	last		the client sends a message and the end of its stream
 *	return		the real-time thread ends; the value is the result of that recv()
 */
#include "both-ends.h"
#include "faults.h"
#include <pthread.h>
#include <sched.h>

#define PATIENCE_MS 60000
#define SENDS_MAX   64

struct concurrent {
	pthread_t thread;
	atomic_int done;
	ssize_t result;
	int error;
};

static struct connection *one = &connections[0];
static struct faulting memory;
static pthread_t faulting;
static long zeros;
static int sends;
static struct concurrent all[SENDS_MAX];

static void *receive(void *unused)
{
	struct stream *stream = &one->streams[CLIENT];
	ssize_t done = recv(one->fds[SERVER], memory.page, TURN, 0);

	(void)unused;
	if (done <= 0)
		die("recv over a fault");
	errno = EBADMSG;
	if (pattern_check(stream->tag, stream->received, memory.page, done) != (size_t)done)
		die("a wrong byte");
	stream->received += done;
	return NULL;
}

static void *transmit(void *unused)
{
	(void)unused;
	if (send(one->fds[SERVER], memory.page, TURN, MSG_NOSIGNAL) != TURN)
		die("send over a fault");
	return NULL;
}

static long faults_in(void *(*run)(void *))
{
	pthread_create(&faulting, NULL, run, NULL);
	return faults_within(&memory, PATIENCE_MS);
}

static long fault(long unused, long unused_too)
{
	(void)unused, (void)unused_too;
	if (!put(one, CLIENT, TURN, milliseconds() + PATIENCE_MS) ||
	    wait_for(one->fds[SERVER], POLLIN, milliseconds() + PATIENCE_MS) != 1)
		return 0;
	return faults_in(receive);
}

static long fault_in_send(long unused, long unused_too)
{
	(void)unused, (void)unused_too;
	zeros = TURN;
	return faults_in(transmit);
}

/* Reads the expected number of bytes from an end. All have the same value. */
static int read_equal(int end, char value, long expected)
{
	long until = milliseconds() + PATIENCE_MS;
	char bytes[CHUNK];

	while (expected) {
		ssize_t i, done = recv(one->fds[end], bytes, sizeof(bytes), 0);

		if (done < 0 && errno == EAGAIN && wait_for(one->fds[end], POLLIN, until) == 1)
			continue;
		failure = done < 0 ? errno : 0;
		if (done <= 0)
			return 0;
		errno = EBADMSG;
		for (i = 0; i < done; i++)
			if (bytes[i] != value)
				die("a wrong byte");
		expected -= done;
	}
	return 1;
}

/* Concurrent sends have no order, so all of their bytes are the same. */
static void *send_message(void *argument)
{
	struct concurrent *me = argument;
	char bytes[TURN];

	memset(bytes, 'x', sizeof(bytes));
	me->result = send(one->fds[CLIENT], bytes, TURN, MSG_DONTWAIT | MSG_NOSIGNAL);
	me->error = me->result < 0 ? errno : 0;
	me->done = 1;
	return NULL;
}

static long send_one(long patience_ms, long unused)
{
	long begin = milliseconds();
	struct concurrent *me = &all[sends++];

	(void)unused;
	me->done = 0;
	if (sends == SENDS_MAX)
		die("too many sends");
	pthread_create(&me->thread, NULL, send_message, me);
	while (!me->done) {
		if (milliseconds() - begin > patience_ms)
			return -1;
		usleep(1000);
	}
	failure = me->error;
	return milliseconds() - begin;
}

static long release(long unused, long unused_too)
{
	long expected = 0;

	(void)unused, (void)unused_too;
	resolve(&memory);
	pthread_join(faulting, NULL);
	/* Lets the page fault again. */
	if (madvise(memory.page, PAGE, MADV_DONTNEED))
		die("madvise");
	while (sends) {
		pthread_join(all[--sends].thread, NULL);
		expected += all[sends].result > 0 ? all[sends].result : 0;
	}
	return read_equal(SERVER, 'x', expected) && read_equal(CLIENT, 0, zeros);
}

/* The thread that waits for the lock, and the one that keeps it from running. */
static struct {
	pthread_t thread, hog;
	int cpu;
	atomic_int id, over;
	ssize_t result;
	int error;
} late;

static void run_at(int priority)
{
	struct sched_param parameter = {.sched_priority = priority};
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(late.cpu, &cpus);
	if (pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus) ||
	    pthread_setschedparam(pthread_self(), SCHED_FIFO, &parameter))
		die("SCHED_FIFO");
}

static void *receive_late(void *unused)
{
	struct stream *stream = &one->streams[CLIENT];
	unsigned char bytes[CHUNK];

	(void)unused;
	run_at(1);
	late.id = gettid();
	late.result = recv(one->fds[SERVER], bytes, sizeof(bytes), 0);
	late.error = errno;
	errno = EBADMSG;
	if (late.result > 0 &&
	    pattern_check(stream->tag, stream->received, bytes, late.result) != (size_t)late.result)
		die("a wrong byte");
	return NULL;
}

static void *keep_busy(void *unused)
{
	long until = milliseconds() + PATIENCE_MS;

	(void)unused;
	run_at(2);
	while (!late.over && milliseconds() < until)
		;
	return NULL;
}

static long enter(long unused, long unused_too)
{
	cpu_set_t cpus;

	(void)unused, (void)unused_too;
	if (sched_getaffinity(0, sizeof(cpus), &cpus) || CPU_COUNT(&cpus) < 2)
		die("it takes two processors");
	for (late.cpu = CPU_SETSIZE - 1; !CPU_ISSET(late.cpu, &cpus); late.cpu--)
		;
	CPU_CLR(late.cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		die("sched_setaffinity");
	pthread_create(&late.thread, NULL, receive_late, NULL);
	if (!comes_to_wait(&late.id, milliseconds() + PATIENCE_MS))
		return 0;
	pthread_create(&late.hog, NULL, keep_busy, NULL);
	return 1;
}

static long send_last(long unused, long unused_too)
{
	(void)unused, (void)unused_too;
	return put(one, CLIENT, TURN, milliseconds() + PATIENCE_MS) &&
	       !shutdown(one->fds[CLIENT], SHUT_WR);
}

static long come_back(long unused, long unused_too)
{
	(void)unused, (void)unused_too;
	late.over = 1;
	pthread_join(late.hog, NULL);
	pthread_join(late.thread, NULL);
	failure = late.result < 0 ? late.error : 0;
	return late.result;
}

int main(void)
{
	static const struct command commands[] = {
	    {"fault", fault},	   {"fault-in-send", fault_in_send},
	    {"send", send_one},	   {"release", release},
	    {"enter", enter},	   {"last", send_last},
	    {"return", come_back}, {NULL, NULL}};

	watch_page(&memory);
	open_connections(1, SOCK_NONBLOCK);
	obey(commands);
	return 0;
}
