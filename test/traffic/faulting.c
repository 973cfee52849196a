// SPDX-License-Identifier: Apache-2.0
/* Both ends of one connection, whose server faults inside recv() and so holds its socket's lock. It
 * takes commands on the standard input. It answers each by a line of JSON, with the errno of a
 * failure:
 *
 *	turns		a hundred messages there and back
 *	hold		sends a message, which the server receives into a page that nobody fills
 *	release		fills the page; the message must have arrived whole
 */
#include "loopback.h"
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define TURNS	100
#define MESSAGE 100
#define PAGE	4096

static int client, server, faults;
static char *page;
static pthread_t reader;
static ssize_t received;

static void make_page(void)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register range = {.mode = UFFDIO_REGISTER_MODE_MISSING};

	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	range.range.start = (unsigned long)page;
	range.range.len = PAGE;
	faults = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (faults < 0 || ioctl(faults, UFFDIO_API, &api) || ioctl(faults, UFFDIO_REGISTER, &range))
		die("userfaultfd");
}

static int pass(int from, int to)
{
	struct pollfd readable = {.fd = to, .events = POLLIN};
	char message[MESSAGE] = {0};
	size_t got = 0;

	if (send(from, message, sizeof(message), MSG_NOSIGNAL) != sizeof(message))
		return errno;
	while (got < sizeof(message)) {
		ssize_t done = recv(to, message, sizeof(message) - got, 0);

		if (!done || (done < 0 && errno != EAGAIN))
			return done ? errno : ECONNABORTED;
		if (done > 0)
			got += done;
		else
			poll(&readable, 1, -1);
	}
	return 0;
}

static int turns(void)
{
	int turn, error = 0;

	for (turn = 0; turn < TURNS && !error; turn++) {
		error = pass(client, server);
		if (!error)
			error = pass(server, client);
	}
	return error;
}

static void *receive(void *unused)
{
	struct pollfd readable = {.fd = server, .events = POLLIN};

	(void)unused;
	poll(&readable, 1, -1);
	received = recv(server, page, MESSAGE, 0);
	return NULL;
}

/* Returns once the kernel reports the fault. From then on the server holds the lock. */
static int hold(void)
{
	char message[MESSAGE];
	struct uffd_msg fault;

	make_page();
	memset(message, 'x', sizeof(message));
	if (pthread_create(&reader, NULL, receive, NULL))
		return EAGAIN;
	if (send(client, message, sizeof(message), MSG_NOSIGNAL) != sizeof(message))
		return errno;
	return read(faults, &fault, sizeof(fault)) == sizeof(fault) ? 0 : errno;
}

static int release(void)
{
	struct uffdio_zeropage fill = {.range = {.start = (unsigned long)page, .len = PAGE}};
	int whole;

	if (ioctl(faults, UFFDIO_ZEROPAGE, &fill))
		return errno;
	pthread_join(reader, NULL);
	whole = received == MESSAGE && page[0] == 'x' && page[MESSAGE - 1] == 'x';
	close(faults);
	munmap(page, PAGE);
	return whole ? 0 : EBADMSG;
}

static int obey(const char *command)
{
	if (!strcmp(command, "turns"))
		return turns();
	if (!strcmp(command, "hold"))
		return hold();
	return release();
}

int main(void)
{
	char line[64];

	connect_both(&client, &server, SOCK_NONBLOCK);
	fcntl(client, F_SETFL, O_NONBLOCK);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		printf("{\"event\":\"%s\",\"error\":%d}\n", line, obey(line));
		fflush(stdout);
	}
	return 0;
}
