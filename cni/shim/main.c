// SPDX-License-Identifier: Apache-2.0
/* meshaccel-cni is a chained CNI plugin (0.3.0 to 1.1.0) that changes nothing. It reports to the
 * node's agent which pod comes or goes, so that the pod is enrolled before its first process runs.
 * It passes on the result of the previous plugin, byte for byte. No failure of the agent keeps a
 * pod from starting or from being removed.
 *
 * It runs on the host for every pod, where there may be no Node and no suitable libc. So it is
 * written in C and linked statically. It takes a millisecond.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "json.h"

#define DEFAULT_SOCKET "/run/meshaccel/cni.sock"
#define LATEST_VERSION "\"1.1.0\""

/* Larger than any configuration, which has some kB. */
#define MAX_CONFIGURATION (4 << 20)

/* Well-known error codes of the specification. */
enum {
	BAD_ENVIRONMENT = 4,
	IO_FAILURE = 5,
	BAD_JSON = 6,
};

struct configuration {
	struct span text;
	/* The text of values in the configuration. For an absent one `at` is NULL. */
	struct span version;
	struct span prev_result;
	struct span socket;
};

static int fail(int code, const char *message, const char *details)
{
	printf("{\"cniVersion\": %s, \"code\": %d, \"msg\": \"meshaccel-cni: %s\", \"details\": "
	       "\"%s\"}\n",
	       LATEST_VERSION, code, message, details);
	return 1;
}

/* Reads the standard input to its end into memory that is never freed. Returns NULL if it cannot,
 * or if the input is too long. */
static const char *read_input(size_t *length)
{
	char *text = malloc(MAX_CONFIGURATION + 1);

	*length = 0;
	while (text && *length <= MAX_CONFIGURATION) {
		ssize_t count = read(STDIN_FILENO, text + *length, MAX_CONFIGURATION + 1 - *length);

		if (count == 0) /* Exact, so that a sanitizer detects a step beyond the end. */
			return realloc(text, *length + !*length);
		if (count > 0)
			*length += count;
		else if (errno != EINTR)
			break;
	}
	free(text);
	return NULL;
}

static bool parse(struct configuration *conf)
{
	struct member members[] = {
	    {.name = "cniVersion"}, {.name = "prevResult"}, {.name = "socket"}};

	if (!json_members(conf->text, members, 3))
		return false;
	/* A value of another type counts as absent. */
	if (members[0].value.at && *members[0].value.at == '"')
		conf->version = members[0].value;
	if (members[1].value.at && *members[1].value.at == '{')
		conf->prev_result = members[1].value;
	conf->socket = members[2].value;
	return true;
}

static void tell(const struct configuration *conf)
{
	char path[256];
	const char *wrong;

	if (!json_string(conf->socket, path, sizeof(path)))
		strcpy(path, DEFAULT_SOCKET);
	wrong = tell_agent(path, conf->text);
	if (wrong)
		fprintf(stderr, "meshaccel-cni: agent at %s: %s; the pod goes on without it\n",
			path, wrong);
}

static void print_version(const struct configuration *conf)
{
	struct span version = conf->version.at ? conf->version : (struct span){LATEST_VERSION, 7};

	printf("\"cniVersion\": %.*s", (int)version.length, version.at);
}

static int print_versions(const struct configuration *conf)
{
	putchar('{');
	print_version(conf);
	puts(", \"supportedVersions\": [\"0.3.0\", \"0.3.1\", \"0.4.0\", \"1.0.0\", " LATEST_VERSION
	     "]}");
	return 0;
}

static int print_result(const struct configuration *conf)
{
	if (conf->prev_result.at) {
		fwrite(conf->prev_result.at, 1, conf->prev_result.length, stdout);
	} else {
		/* The plugin is first in its chain, which is a mistake. This is the smallest result
		 * that a runtime accepts. */
		putchar('{');
		print_version(conf);
		putchar('}');
	}
	putchar('\n');
	return 0;
}

static int run(void)
{
	const char *command = getenv("CNI_COMMAND");
	struct configuration conf = {0};
	bool parsed;

	if (!command)
		return fail(BAD_ENVIRONMENT, "CNI_COMMAND is not set",
			    "This is a CNI plugin: container runtimes run it.");
	conf.text.at = read_input(&conf.text.length);
	parsed = conf.text.at && parse(&conf);

	if (!strcmp(command, "VERSION"))
		return print_versions(&conf);
	if (!strcmp(command, "DEL") || !strcmp(command, "GC")) {
		/* An unreadable configuration must not keep a pod from being removed. */
		if (parsed)
			tell(&conf);
		return 0;
	}
	if (!strcmp(command, "CHECK") || !strcmp(command, "STATUS"))
		return 0;
	if (strcmp(command, "ADD"))
		return fail(BAD_ENVIRONMENT, "unknown CNI_COMMAND",
			    "It must be ADD, DEL, CHECK, GC, STATUS or VERSION.");
	if (!conf.text.at)
		return fail(IO_FAILURE, "the configuration cannot be read",
			    "It must come on the standard input and have 4 MiB at most.");
	if (!parsed)
		return fail(BAD_JSON, "the configuration is not a JSON object",
			    "It came on the standard input.");
	tell(&conf);
	return print_result(&conf);
}

int main(void)
{
	int status;

	signal(SIGPIPE, SIG_IGN);
	status = run();
	if (fflush(stdout))
		return 1;
	return status;
}
