// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Tells of each program that begins, through a ring buffer. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

struct exec {
	__u64 time_ns;
	__u32 pid;
	char name[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events SEC(".maps");

volatile __u64 lost;

SEC("tracepoint/sched/sched_process_exec")
int on_exec(void *ctx)
{
	struct exec *exec = bpf_ringbuf_reserve(&events, sizeof(*exec), 0);

	if (!exec) {
		__sync_fetch_and_add(&lost, 1);
		return 0;
	}
	exec->time_ns = bpf_ktime_get_ns();
	exec->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(exec->name, sizeof(exec->name));
	bpf_ringbuf_submit(exec, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
