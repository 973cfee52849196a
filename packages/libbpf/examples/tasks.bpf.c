// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Walks over all tasks and writes a record for each. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

struct task {
	__u32 pid;
	__u32 tid;
	__u32 parent;
	char name[16];
};

SEC("iter/task")
int walk(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct task record = {};

	/* The kernel calls once more at the end, without a task. */
	if (!task)
		return 0;
	record.pid = task->tgid;
	record.tid = task->pid;
	record.parent = task->real_parent->tgid;
	bpf_probe_read_kernel_str(record.name, sizeof(record.name), task->comm);
	bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
