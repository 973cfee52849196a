/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Programs that turned, on a member, to a habit that redirected bytes do not survive: none of their
 * connections is accelerated again. */
#ifndef MESHACCEL_QUARANTINE_BPF_H
#define MESHACCEL_QUARANTINE_BPF_H

#include "maps.bpf.h"
#include <bpf/bpf_core_read.h>

/* The executable of the current process. */
static __always_inline void current_executable(__u64 *inode, __u32 *device)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct inode *exe = BPF_CORE_READ(task, mm, exe_file, f_inode);

	*inode = BPF_CORE_READ(exe, i_ino);
	*device = BPF_CORE_READ(exe, i_sb, s_dev);
}

/* The current process has given evidence against its program. */
static __always_inline void quarantine(__u64 netns_cookie, enum reason reason)
{
	struct config *config = config_get();
	struct program program = {.netns_cookie = netns_cookie};
	struct quarantine evidence = {
	    .since_ns = bpf_ktime_get_ns(),
	    .reason = reason,
	    .tgid = bpf_get_current_pid_tgid() >> 32,
	};

	current_executable(&program.exe_inode, &program.exe_device);
	bpf_get_current_comm(evidence.comm, sizeof(evidence.comm));
	if (!bpf_map_update_elem(&meshaccel_quarantine, &program, &evidence, BPF_NOEXIST) && config)
		__sync_fetch_and_add(&config->quarantined, 1);
}

static __always_inline bool is_quarantined(__u64 netns_cookie, __u64 exe_inode, __u32 exe_device)
{
	struct program program = {
	    .netns_cookie = netns_cookie,
	    .exe_inode = exe_inode,
	    .exe_device = exe_device,
	};

	return bpf_map_lookup_elem(&meshaccel_quarantine, &program);
}

#endif
