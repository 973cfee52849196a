// SPDX-License-Identifier: Apache-2.0
/* MSG_ZEROCOPY: the pages belong to the kernel until the error queue returns them. */
#define _GNU_SOURCE
#include "probe.h"
#include <linux/errqueue.h>

static void allow_zerocopy(void)
{
	set_option(client, SOL_SOCKET, SO_ZEROCOPY, 1);
}

static void say_completion(void)
{
	char control[128];
	struct msghdr message = {.msg_control = control, .msg_controllen = sizeof(control)};
	struct pollfd one = {.fd = client};
	struct sock_extended_err *error;
	struct cmsghdr *c;

	poll(&one, 1, 1000 * patience());
	saw_events("completion", one.revents);
	if (SAW(recvmsg(client, &message, MSG_ERRQUEUE)) < 0)
		return;
	c = CMSG_FIRSTHDR(&message);
	error = c ? (void *)CMSG_DATA(c) : NULL;
	if (error)
		say("origin %u, from %u to %u", error->ee_origin, error->ee_info, error->ee_data);
}

static void zerocopy(void)
{
	static char page[4096];
	int round;

	fill_text(page, sizeof(page));
	for (round = 0; round < 2; round++) {
		SAW(send(client, page, sizeof(page), MSG_ZEROCOPY));
		receive_all(server, sizeof(page));
		say_completion();
		if (!round)
			mid();
	}
}

/* The option is set but not used. */
static void only_allowed(void)
{
	mid();
	SAW(send(client, "hello", 5, 0));
	receive_all(server, 5);
	look_for_events(client, POLLIN);
}

const struct probe zerocopy_probes[] = {
    {"msg-zerocopy", zerocopy, .habit = allow_zerocopy},
    {"so-zerocopy-unused", only_allowed, .habit = allow_zerocopy},
    {},
};
