/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* A member does not keep the promise of MSG_WAITALL: tcp_bpf_recvmsg returns what there is. */
#ifndef MESHACCEL_WAITALL_BPF_H
#define MESHACCEL_WAITALL_BPF_H

#include "drained.bpf.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

/* Buffers of a message that are added up; further ones are ignored. */
#define BUFFERS_MAX 8

/* How many bytes the current system call asks to receive, 0 if unknown. The position of its flags
 * identifies the call: recvfrom(fd, to, length, flags) or recvmsg(fd, message, flags). */
static __always_inline __u64 asked_for(__u32 flags)
{
	struct pt_regs *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	struct user_msghdr message;
	struct iovec buffer;
	__u64 bytes = 0;
	__u32 i;

	if ((__u32)PT_REGS_PARM4_CORE_SYSCALL(regs) == flags)
		return PT_REGS_PARM3_CORE_SYSCALL(regs);
	if ((__u32)PT_REGS_PARM3_CORE_SYSCALL(regs) != flags ||
	    bpf_probe_read_user(&message, sizeof(message),
				(void *)PT_REGS_PARM2_CORE_SYSCALL(regs)))
		return 0;
	for (i = 0; i < BUFFERS_MAX && i < message.msg_iovlen; i++) {
		if (bpf_probe_read_user(&buffer, sizeof(buffer), message.msg_iov + i))
			return 0;
		bytes += buffer.iov_len;
	}
	return bytes;
}

/* Whether a receive with MSG_WAITALL should have waited for more. io_uring waits by itself. */
static __always_inline bool cut_short(const struct sock *sk, int received, int flags)
{
	if (received <= 0 || flags & MSG_DONTWAIT || sk->sk_err || sk->sk_shutdown & RCV_SHUTDOWN)
		return false;
	return (__u64)received < asked_for(flags);
}

#endif
