// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Counts the openat system calls of each program, by its name. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

struct program {
	char name[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, struct program);
	__type(value, __u64);
} opens SEC(".maps");

SEC("tracepoint/syscalls/sys_enter_openat")
int count_open(void *ctx)
{
	struct program program = {};
	__u64 first = 1, *count;

	bpf_get_current_comm(program.name, sizeof(program.name));
	count = bpf_map_lookup_elem(&opens, &program);
	if (count)
		__sync_fetch_and_add(count, 1);
	else
		bpf_map_update_elem(&opens, &program, &first, BPF_NOEXIST);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
