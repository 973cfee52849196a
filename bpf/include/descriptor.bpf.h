/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Finds the socket that a system call is about. */
#ifndef MESHACCEL_DESCRIPTOR_BPF_H
#define MESHACCEL_DESCRIPTOR_BPF_H

#include "maps.bpf.h"
#include <bpf/bpf_core_read.h>

#define S_IFMT	 00170000
#define S_IFSOCK 0140000

/* The socket behind a descriptor of the current process, 0 if it is something else. */
static __always_inline __u64 socket_of(__u32 fd)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files = BPF_CORE_READ(table, fd);
	struct socket *socket;
	struct file *file;

	if (fd >= BPF_CORE_READ(table, max_fds) ||
	    bpf_probe_read_kernel(&file, sizeof(file), files + fd) || !file ||
	    (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	return (__u64)BPF_CORE_READ(socket, sk);
}

#endif
