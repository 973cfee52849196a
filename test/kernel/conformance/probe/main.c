// SPDX-License-Identifier: Apache-2.0
/* probe list the names of all cases, and whether they have the arm `trusted`
 *	probe plain|joined|mid|trusted CASE
 *
 * The program sends {"event":"turned"} or {"event":"mid"} with the ports of the connection to the
 * driver. The driver answers on the standard input with a line: `more`, for more turns, or `go`.
 */
#define _GNU_SOURCE
#include "probe.h"

#define WARM_UP 16
#define TURN_MS 8000
#define REST_MS 1000

static const struct probe *const groups[] = {
    receive_probes, peek_probes,      send_probes,   zerocopy_probes, urgent_probes,
    ready_probes,   closing_probes,   reset_probes,  signal_probes,   uring_probes,
    sharing_probes, handshake_probes, option_probes, splice_probes,
};

enum arm {
	PLAIN,
	JOINED,
	MID,
	TRUSTED,
};

static const char *const arms[] = {"plain", "joined", "mid", "trusted"};
static enum arm arm;

/* Set in the arm `mid` only, once. */
static bool had_middle;

static int port_of(int fd)
{
	struct sockaddr_storage name = {};
	socklen_t length = sizeof(name);

	getsockname(fd, (struct sockaddr *)&name, &length);
	/* Both families have the port at the same offset. */
	return ntohs(((struct sockaddr_in *)&name)->sin_port);
}

static void tell(const char *event)
{
	printf("{\"event\":\"%s\",\"client\":%d,\"server\":%d}\n", event, port_of(client),
	       port_of(server));
	fflush(stdout);
}

/* Whether the driver wants more. */
static bool more(void)
{
	char line[16] = "";

	if (!fgets(line, sizeof(line), stdin))
		exit(1);
	return line[0] == 'm';
}

void mid(void)
{
	if (arm != MID || had_middle)
		return;
	had_middle = true;
	tell("mid");
	more();
	watch_for_hang();
}

static void move(ssize_t (*receive)(int, void *, size_t), int from, int to)
{
	char message[TURN];
	size_t have = 0;

	memset(message, 't', sizeof(message));
	if (send(from, message, TURN, 0) != TURN)
		die("turn: send");
	while (have < TURN) {
		struct pollfd one = {.fd = to, .events = POLLIN};
		ssize_t done;

		if (poll(&one, 1, TURN_MS * patience()) <= 0) {
			say("hangs while it takes turns");
			transcript_end();
		}
		done = receive(to, message + have, TURN - have);
		if (!done || (done < 0 && errno != EAGAIN)) {
			saw("a turn", done);
			transcript_end();
		}
		have += done > 0 ? done : 0;
	}
}

/* Turns go on while a slow driver works: a connection tracker would forget an idle connection. */
static bool more_turns(ssize_t (*receive)(int, void *, size_t))
{
	struct pollfd answer = {.fd = STDIN_FILENO, .events = POLLIN};

	tell("turned");
	while (!poll(&answer, 1, REST_MS)) {
		move(receive, client, server);
		move(receive, server, client);
	}
	return more();
}

static void take_turns(ssize_t (*receive)(int, void *, size_t))
{
	int turn;

	for (turn = 0; turn < WARM_UP; turn++) {
		move(receive, client, server);
		move(receive, server, client);
	}
}

static void run(const struct probe *probe)
{
	ssize_t (*receive)(int, void *, size_t) =
	    probe->receive && arm != TRUSTED ? probe->receive : plain_receive;

	(probe->open ?: open_ipv4)();
	set_option(client, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(server, IPPROTO_TCP, TCP_NODELAY, 1);
	if (probe->nonblocking) {
		set_nonblocking(client);
		set_nonblocking(server);
	}
	if (probe->habit && arm != TRUSTED)
		probe->habit();
	do
		take_turns(receive);
	while ((arm == JOINED || arm == TRUSTED) && more_turns(receive));
	if (probe->habit && arm == TRUSTED)
		probe->habit();
	settle();
	if (arm != MID)
		watch_for_hang();
	probe->run();
	transcript_end();
}

static void for_all(void (*visit)(const struct probe *, const char *), const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		const struct probe *probe;

		for (probe = groups[i]; probe->name; probe++)
			visit(probe, name);
	}
}

static void list(const struct probe *probe, const char *unused)
{
	(void)unused;
	printf("{\"event\":\"case\",\"name\":\"%s\",\"trusted\":%s}\n", probe->name,
	       probe->habit || probe->receive ? "true" : "false");
}

static void run_if_named(const struct probe *probe, const char *name)
{
	if (!strcmp(probe->name, name))
		run(probe);
}

int main(int argc, char **argv)
{
	sigset_t signals;
	size_t i;

	if (argc == 2 && !strcmp(argv[1], "list")) {
		for_all(list, NULL);
		return 0;
	}
	if (argc != 3)
		return 2;
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < sizeof(arms) / sizeof(arms[0]); i++)
		if (!strcmp(argv[1], arms[i]))
			arm = i;
	for_all(run_if_named, argv[2]);
	return 2;
}
