/** Numbers of linux/bpf.h that this binding passes to the kernel; they never change. */

export const BPF_CGROUP_SOCK_OPS = 3
export const BPF_SK_MSG_VERDICT = 7
export const BPF_TRACE_ITER = 28
export const BPF_PERF_EVENT = 41

export const BPF_F_ALLOW_OVERRIDE = 1
export const BPF_F_ALLOW_MULTI = 2

/** Names as in `enum bpf_prog_type`, without the prefix. */
export const PROGRAM_TYPES = {
  SOCKET_FILTER: 1,
  KPROBE: 2,
  TRACEPOINT: 5,
  CGROUP_SKB: 8,
  SOCK_OPS: 13,
  SK_SKB: 14,
  SK_MSG: 16,
  TRACING: 26,
  SYSCALL: 31,
} as const

/** Names as in `enum bpf_map_type`, without the prefix. */
export const MAP_TYPES = {
  HASH: 1,
  ARRAY: 2,
  PERCPU_HASH: 5,
  PERCPU_ARRAY: 6,
  LRU_HASH: 9,
  LRU_PERCPU_HASH: 10,
  SOCKMAP: 15,
  SOCKHASH: 18,
  PERCPU_CGROUP_STORAGE: 21,
  SK_STORAGE: 24,
  RINGBUF: 27,
} as const

/** Of the sockets that probes open: sys/socket.h, asm-generic/socket.h. */
export const AF_INET = 2
export const AF_INET6 = 10
export const SOCK_STREAM = 1
export const SOCK_CLOEXEC = 0o2000000
export const SOL_SOCKET = 1
