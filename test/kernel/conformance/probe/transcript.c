// SPDX-License-Identifier: Apache-2.0
/* Writes the report as lines of JSON: {"event":"saw","text":...}, and {"event":"end"} at the end.
 */
#define _GNU_SOURCE
#include "probe.h"
#include "task.h"
#include <ctype.h>
#include <pthread.h>
#include <stdarg.h>

#define SHOWN	     40
#define HANG_SECONDS 15

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* No text contains a quote or a backslash. */
static void put(const char *text)
{
	struct task *task = current_task();

	if (task) {
		task_keep(task, text);
		return;
	}
	pthread_mutex_lock(&lock);
	printf("{\"event\":\"saw\",\"text\":\"%s\"}\n", text);
	fflush(stdout);
	pthread_mutex_unlock(&lock);
}

void say(const char *format, ...)
{
	char text[512];
	va_list args;
	char *c;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	for (c = text; *c; c++)
		if (*c == '"')
			*c = '\'';
	put(text);
}

long saw(const char *call, long result)
{
	int error = errno;

	if (result == -1)
		say("%s = -1 %s", call, strerrorname_np(error));
	else
		say("%s = %ld", call, result);
	errno = error;
	return result;
}

static bool is_text(const unsigned char *bytes, ssize_t length)
{
	ssize_t i;

	for (i = 0; i < length; i++)
		if (!isalnum(bytes[i]) && bytes[i] != ' ')
			return false;
	return length <= SHOWN;
}

ssize_t got(const char *call, ssize_t length, const void *bytes)
{
	const unsigned char *b = bytes;
	uint64_t digest = 0xcbf29ce484222325ULL;
	ssize_t i;

	if (length <= 0)
		return saw(call, length);
	if (is_text(b, length)) {
		say("%s = %zd '%.*s'", call, length, (int)length, (const char *)bytes);
		return length;
	}
	for (i = 0; i < length; i++)
		digest = (digest ^ b[i]) * 0x100000001b3ULL;
	say("%s = %zd #%016llx", call, length, (unsigned long long)digest);
	return length;
}

void saw_events(const char *what, uint32_t events)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} names[] = {
	    {POLLIN, "IN"},   {POLLPRI, "PRI"}, {POLLOUT, "OUT"},
	    {POLLERR, "ERR"}, {POLLHUP, "HUP"}, {POLLRDHUP, "RDHUP"},
	};
	char text[64] = "";
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!(events & names[i].bit))
			continue;
		if (text[0])
			strcat(text, "|");
		strcat(text, names[i].name);
	}
	say("%s: %s", what, text[0] ? text : "nothing");
}

void transcript_end(void)
{
	pthread_mutex_lock(&lock);
	printf("{\"event\":\"end\"}\n");
	fflush(stdout);
	_exit(0);
}

void not_here(const char *why)
{
	printf("{\"event\":\"skip\",\"text\":\"%s\"}\n{\"event\":\"end\"}\n", why);
	fflush(stdout);
	_exit(0);
}

void die(const char *what)
{
	fprintf(stderr, "probe: %s: %s\n", what, strerror(errno));
	exit(1);
}

int patience(void)
{
	const char *text = getenv("MESHACCEL_PATIENCE");
	int times = text ? atoi(text) : 1;

	return times > 0 ? times : 1;
}

static void *end_hang(void *unused)
{
	(void)unused;
	sleep(HANG_SECONDS * patience());
	tasks_flush();
	put("hangs");
	transcript_end();
	return NULL;
}

void watch_for_hang(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, end_hang, NULL))
		die("pthread_create");
}
