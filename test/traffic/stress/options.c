// SPDX-License-Identifier: Apache-2.0
#include "sockets.h"
#include "stress.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options options = {
    .mode = MODE_EDGE,
    .address = "127.0.0.1",
    .port = 7000,
    .ports = 1,
    .connections = 1,
    .request = {1, 1024},
    .answer = {1, 1024},
    .write = {MESSAGE_MAX, MESSAGE_MAX},
    .buffer = 16384,
};

static const char *const modes[] = {"blocking", "waitall", "splice", "level", "edge", "mixed"};

static const char *const turns[] = {"never", "body", "all", "waitall", "lowat", "peek"};

/* The index of the name. */
static int parse_name(const char *text, const char *const *names, int count)
{
	int i;

	for (i = 0; i < count; i++)
		if (!strcmp(text, names[i]))
			return i;
	errno = EINVAL;
	die(text);
	return 0;
}

/* A size, or two with a colon between them. */
static struct range parse_range(const char *text)
{
	char *end;
	struct range range = {.min = strtoul(text, &end, 10)};

	range.max = *end == ':' ? strtoul(end + 1, NULL, 10) : range.min;
	return range;
}

static void parse_option(const char *name, const char *value)
{
	struct options *o = &options;

	if (!strcmp(name, "mode"))
		o->mode = parse_name(value, modes, sizeof(modes) / sizeof(modes[0]));
	else if (!strcmp(name, "address"))
		o->address = value;
	else if (!strcmp(name, "port"))
		o->port = atoi(value);
	else if (!strcmp(name, "ports"))
		o->ports = atoi(value);
	else if (!strcmp(name, "from"))
		o->from = value;
	else if (!strcmp(name, "fromPort"))
		o->from_port = atoi(value);
	else if (!strcmp(name, "connections"))
		o->connections = atoi(value);
	else if (!strcmp(name, "seed"))
		o->seed = strtoull(value, NULL, 10);
	else if (!strcmp(name, "request"))
		o->request = parse_range(value);
	else if (!strcmp(name, "answer"))
		o->answer = parse_range(value);
	else if (!strcmp(name, "write"))
		o->write = parse_range(value);
	else if (!strcmp(name, "duplex"))
		o->duplex = atoi(value);
	else if (!strcmp(name, "bytes"))
		o->bytes = strtoull(value, NULL, 10);
	else if (!strcmp(name, "buffer"))
		o->buffer = atoi(value);
	else if (!strcmp(name, "pauseUs"))
		o->pause_us = atoi(value);
	else if (!strcmp(name, "parts"))
		o->parts = true;
	else if (!strcmp(name, "turn"))
		o->turn = parse_name(value, turns, sizeof(turns) / sizeof(turns[0]));
	else if (!strcmp(name, "uid"))
		o->uid = atoi(value);
	else if (!strcmp(name, "gid"))
		o->gid = atoi(value);
	else if (!strcmp(name, "mptcp"))
		o->mptcp = true;
	else if (!strcmp(name, "ulp"))
		o->ulp = true;
	else if (!strcmp(name, "zerocopy"))
		o->zerocopy = true;
	else {
		errno = EINVAL;
		die(name);
	}
}

void parse_options(int argc, char **argv)
{
	int i;

	if (argc < 2) {
		errno = EINVAL;
		die("usage: stress client|server OPTION=VALUE...");
	}
	options.client = !strcmp(argv[1], "client");
	for (i = 2; i < argc; i++) {
		char *value = strchr(argv[i], '=');

		if (value)
			*value++ = '\0';
		parse_option(argv[i], value ? value : "");
	}
}
