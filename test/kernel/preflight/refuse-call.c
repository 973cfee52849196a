// SPDX-License-Identifier: Apache-2.0
/* refuse-call bpf|mount|ipv6 COMMAND...: runs a command under a seccomp filter like that of a
 * container. bpf(2) or mount(2) fail with EPERM. IPv6 sockets fail with EAFNOSUPPORT, as on a
 * kernel that was booted with ipv6.disable=1. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOAD(field)	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define UNLESS(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip)
#define ANSWER(code)	    BPF_STMT(BPF_RET | BPF_K, code)

int main(int argc, char **argv)
{
	const int call = argc > 1 && !strcmp(argv[1], "mount") ? SYS_mount : SYS_bpf;
	struct sock_filter refused[] = {
	    LOAD(nr),
	    UNLESS(call, 1),
	    ANSWER(SECCOMP_RET_ERRNO | EPERM),
	    ANSWER(SECCOMP_RET_ALLOW),
	};
	struct sock_filter ipv6[] = {
	    LOAD(nr),
	    UNLESS(SYS_socket, 3),
	    LOAD(args[0]),
	    UNLESS(AF_INET6, 1),
	    ANSWER(SECCOMP_RET_ERRNO | EAFNOSUPPORT),
	    ANSWER(SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {.len = sizeof(refused) / sizeof(*refused), .filter = refused};

	if (argc < 3)
		return 2;
	if (!strcmp(argv[1], "ipv6"))
		filter = (struct sock_fprog){.len = sizeof(ipv6) / sizeof(*ipv6), .filter = ipv6};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter)) {
		perror("prctl");
		return 1;
	}
	execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 1;
}
