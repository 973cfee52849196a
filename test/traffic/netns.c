// SPDX-License-Identifier: Apache-2.0
/* Makes and removes named network namespaces like `ip netns`, without a process for each. It takes
 * `add NAME` and `delete NAME` on the standard input, and answers each by {"event":"NAME"}. In a
 * new namespace loopback is up.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIRECTORY "/run/netns"

static int home;

static void die(const char *what, const char *name)
{
	fprintf(stderr, "netns: %s %s: %s\n", what, name, strerror(errno));
	exit(1);
}

static void set_loopback_up(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request))
		die("bring up", "loopback");
	close(fd);
}

static void add_netns(const char *path)
{
	int fd = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);

	if (fd < 0)
		die("create", path);
	close(fd);
	if (unshare(CLONE_NEWNET))
		die("unshare", path);
	set_loopback_up();
	if (mount("/proc/self/ns/net", path, "none", MS_BIND, NULL))
		die("mount", path);
	if (setns(home, CLONE_NEWNET))
		die("leave", path);
}

static void remove_netns(const char *path)
{
	if (umount2(path, MNT_DETACH) || unlink(path))
		die("remove", path);
}

int main(void)
{
	char line[300], path[400], *name;

	mkdir(DIRECTORY, 0755);
	home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		name = strchr(line, ' ');
		if (!name) {
			errno = EINVAL;
			die("read", line);
		}
		*name++ = 0;
		snprintf(path, sizeof(path), DIRECTORY "/%s", name);
		if (strcmp(line, "add") == 0)
			add_netns(path);
		else
			remove_netns(path);
		printf("{\"event\":\"%s\"}\n", name);
		fflush(stdout);
	}
	return 0;
}
