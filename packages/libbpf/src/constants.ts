/** Numbers of linux/bpf.h that this binding passes to the kernel; they never change. */

import { endianness } from 'node:os'

export const BPF_CGROUP_SOCK_OPS = 3
export const BPF_SK_MSG_VERDICT = 7
export const BPF_TRACE_ITER = 28
export const BPF_XDP = 37
export const BPF_PERF_EVENT = 41
export const BPF_NETFILTER = 45
export const BPF_TCX_INGRESS = 46
export const BPF_TCX_EGRESS = 47

export const BPF_F_ALLOW_OVERRIDE = 1
export const BPF_F_ALLOW_MULTI = 2

/** Names as in `enum bpf_prog_type`, without the prefix. */
export const PROGRAM_TYPES = {
  SOCKET_FILTER: 1,
  KPROBE: 2,
  SCHED_CLS: 3,
  TRACEPOINT: 5,
  XDP: 6,
  PERF_EVENT: 7,
  CGROUP_SKB: 8,
  CGROUP_SOCK: 9,
  SOCK_OPS: 13,
  SK_SKB: 14,
  CGROUP_DEVICE: 15,
  SK_MSG: 16,
  RAW_TRACEPOINT: 17,
  CGROUP_SOCK_ADDR: 18,
  CGROUP_SYSCTL: 23,
  CGROUP_SOCKOPT: 25,
  TRACING: 26,
  STRUCT_OPS: 27,
  LSM: 29,
  SK_LOOKUP: 30,
  SYSCALL: 31,
  NETFILTER: 32,
} as const

/** Names as in `enum bpf_map_type`, without the prefix. */
export const MAP_TYPES = {
  HASH: 1,
  ARRAY: 2,
  PROG_ARRAY: 3,
  PERF_EVENT_ARRAY: 4,
  PERCPU_HASH: 5,
  PERCPU_ARRAY: 6,
  STACK_TRACE: 7,
  CGROUP_ARRAY: 8,
  LRU_HASH: 9,
  LRU_PERCPU_HASH: 10,
  LPM_TRIE: 11,
  SOCKMAP: 15,
  SOCKHASH: 18,
  PERCPU_CGROUP_STORAGE: 21,
  QUEUE: 22,
  STACK: 23,
  SK_STORAGE: 24,
  STRUCT_OPS: 26,
  RINGBUF: 27,
  TASK_STORAGE: 29,
  BLOOM_FILTER: 30,
  CGRP_STORAGE: 32,
} as const

/** For the sockets that probes open: sys/socket.h, asm-generic/socket.h. */
export const AF_INET = 2
export const AF_INET6 = 10
export const SOCK_STREAM = 1
export const SOCK_CLOEXEC = 0o2000000
export const SOL_SOCKET = 1

/** Whether this machine is little-endian, as a DataView takes it: structs of the kernel have its byte order. */
export const LITTLE: boolean = endianness() === 'LE'
