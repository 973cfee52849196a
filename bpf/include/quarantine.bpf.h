/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Programs that used, on a member, a habit that does not work with redirected bytes. None of their
 * connections is accelerated again. */
#ifndef MESHACCEL_QUARANTINE_BPF_H
#define MESHACCEL_QUARANTINE_BPF_H

#include "maps.bpf.h"
#include <bpf/bpf_core_read.h>

/* Finds the executable of a process. */
static __always_inline void executable_of(struct task_struct *task, __u64 *inode, __u32 *device)
{
	struct inode *exe = BPF_CORE_READ(task, mm, exe_file, f_inode);

	*inode = BPF_CORE_READ(exe, i_ino);
	*device = BPF_CORE_READ(exe, i_sb, s_dev);
}

/* Records the evidence that a process has given against its program. */
static __always_inline void quarantine(struct task_struct *task, __u64 netns_cookie,
				       enum reason reason)
{
	struct program program = {.netns_cookie = netns_cookie};
	struct quarantine evidence = {
	    .since_ns = bpf_ktime_get_ns(),
	    .reason = reason,
	    .tgid = BPF_CORE_READ(task, tgid),
	};
	struct event event = {
	    .netns_cookie = netns_cookie,
	    .kind = EVENT_QUARANTINED,
	    .reason = reason,
	    .tgid = evidence.tgid,
	};

	executable_of(task, &program.exe_inode, &program.exe_device);
	BPF_CORE_READ_STR_INTO(&evidence.comm, task, comm);
	__builtin_memcpy(event.comm, evidence.comm, sizeof(event.comm));
	if (!bpf_map_update_elem(&meshaccel_quarantine, &program, &evidence, BPF_NOEXIST))
		tell(&event);
}

/* The evidence against a program, NULL if it is not quarantined. */
static __always_inline const struct quarantine *evidence_against(__u64 netns_cookie,
								 __u64 exe_inode, __u32 exe_device)
{
	struct program program = {
	    .netns_cookie = netns_cookie,
	    .exe_inode = exe_inode,
	    .exe_device = exe_device,
	};

	return bpf_map_lookup_elem(&meshaccel_quarantine, &program);
}

#endif
