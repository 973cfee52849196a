/** The keys and values of the maps, as bpf/include/meshaccel.h lays them out; a test compares the two through BTF. */

import { maxRules } from '../../pods/exclusions.ts'
import { array, bytes, struct, text, u16, u32, u64, u8 } from 'libbpf'
import type { StructCodec } from 'libbpf'

/** enum reason, in its order. */
export const reasons = [
  'none',
  'leaving',
  'undrained',
  'blocked-reader',
  'cap-bytes',
  'cap-messages',
  'tcp-memory',
  'memory-budget',
  'rcvlowat',
  'state',
  'drained-off',
  'agent-stale',
  'peer-gone',
  'unknown-reader',
  'stream',
  'tcp-unread',
  'pod-disabled',
  'excluded',
  'reader-changed',
  'join-timeout',
  'half-closed',
  'reader-holds-lock',
  'blocking-reader',
  'claimed-elsewhere',
  'reset',
  'short',
  'remote-peer',
  'mptcp',
  'ulp',
  'zerocopy',
  'socket-option',
  'self-connect',
  'second-claim',
  'forged-handshake',
  'table-full',
  'busy',
  'peer-unproven',
  'unseen',
  'waitall',
  'truncated-read',
  'unaccounted',
  'splice',
  'quarantined',
  'stuck',
  'overtaken',
] as const

export type Reason = (typeof reasons)[number]

/** The reason that a number of the kernel's stands for; `none` for one that this agent does not know. */
export function reasonName(code: number): Reason {
  return reasons[code] ?? 'none'
}

/** enum conn_state, in its order. */
export const connStates = ['free', 'watched', 'joining', 'joined', 'stopping', 'sealed'] as const
/** enum flow_path, in its order. */
export const paths = ['tcp', 'redirect', 'mixed'] as const
export const ROLE_CLIENT = 0
export const AF_INET = 2
export const AF_INET6 = 10

export interface IsnPair {
  own: number
  peer: number
}
export const isnPair: StructCodec<IsnPair> = struct({
  own: u32,
  peer: u32,
})

export interface PortRangeRecord {
  from: number
  to: number
}
export const portRange: StructCodec<PortRangeRecord> = struct({
  from: u16,
  to: u16,
})

/** In network byte order. */
export interface CidrRecord {
  family: number
  address: Uint8Array
  mask: Uint8Array
}
export const cidr: StructCodec<CidrRecord> = struct({
  family: u32,
  address: bytes(16),
  mask: bytes(16),
})

export interface PodRecord {
  enabled: number
  proxy_uid: number
  proxy_gid: number
  blocking_readers: number
  port_rules: number
  cidr_rules: number
  uid_rules: number
  ports: PortRangeRecord[]
  cidrs: CidrRecord[]
  uids: number[]
}
export const pod: StructCodec<PodRecord> = struct({
  enabled: u32,
  proxy_uid: u32,
  proxy_gid: u32,
  blocking_readers: u32,
  port_rules: u32,
  cidr_rules: u32,
  uid_rules: u32,
  ports: array(portRange, maxRules),
  cidrs: array(cidr, maxRules),
  uids: array(u32, maxRules),
})

/** A program of a pod, by its executable. */
export interface ProgramRecord {
  netns_cookie: bigint
  exe_inode: bigint
  exe_device: number
  pad: number
}
export const program: StructCodec<ProgramRecord> = struct({
  netns_cookie: u64,
  exe_inode: u64,
  exe_device: u32,
  pad: u32,
})

export interface QuarantineRecord {
  since_ns: bigint
  reason: number
  tgid: number
  comm: string
}
export const quarantine: StructCodec<QuarantineRecord> = struct({
  since_ns: u64,
  reason: u32,
  tgid: u32,
  comm: text(16),
})

export interface EventRecord {
  netns_cookie: bigint
  kind: number
  reason: number
  tgid: number
  pad: number
  comm: string
}
export const event: StructCodec<EventRecord> = struct({
  netns_cookie: u64,
  kind: u32,
  reason: u32,
  tgid: u32,
  pad: u32,
  comm: text(16),
})

export interface ConfigRecord {
  redirect: number
  cap_bytes: number
  heartbeat_ns: bigint
  keepalive_s: number
  scan: number
  slots_used: number
  stop_when_stale: number
  cgroup_id: bigint
  proxies_only: number
  tcp_memory_pages: number
  swept_ns: bigint
  rules: number
  probes_run: number
  probes_ok: number
  splice_watched: number
  sweep: number
  pad: number
  pod_memory_bytes: bigint
  node_memory_bytes: bigint
}
export const config: StructCodec<ConfigRecord> = struct({
  redirect: u32,
  cap_bytes: u32,
  heartbeat_ns: u64,
  keepalive_s: u32,
  scan: u32,
  slots_used: u32,
  stop_when_stale: u32,
  cgroup_id: u64,
  proxies_only: u32,
  tcp_memory_pages: u32,
  swept_ns: u64,
  rules: u32,
  probes_run: u32,
  probes_ok: u32,
  splice_watched: u32,
  sweep: u32,
  pad: u32,
  pod_memory_bytes: u64,
  node_memory_bytes: u64,
})

/** Per-CPU totals. */
export interface CountersRecord {
  redirected_bytes: bigint
  redirected_messages: bigint
  tcp_bytes: bigint
  tcp_messages: bigint
  joins: bigint
  leaves: bigint
  kicks: bigint
  watched: bigint
  closed: bigint
  reasons: bigint[]
}
export const counters: StructCodec<CountersRecord> = struct({
  redirected_bytes: u64,
  redirected_messages: u64,
  tcp_bytes: u64,
  tcp_messages: u64,
  joins: u64,
  leaves: u64,
  kicks: u64,
  watched: u64,
  closed: u64,
  reasons: array(u64, reasons.length),
})

export interface GaugeRecord {
  ends: number
  paired: number
  joining: number
  joined: number
  leaving: number
  engaged: number
  mixed: number
  pad: number
  tcp_bytes: bigint
  unread_bytes: bigint
}
export const gauge: StructCodec<GaugeRecord> = struct({
  ends: u32,
  paired: u32,
  joining: u32,
  joined: u32,
  leaving: u32,
  engaged: u32,
  mixed: u32,
  pad: u32,
  tcp_bytes: u64,
  unread_bytes: u64,
})

/** Where the flow table goes on. */
export interface CursorRecord {
  next: number
  pad: number
}
export const cursor: StructCodec<CursorRecord> = struct({
  next: u32,
  pad: u32,
})

/** One line of the flow table. */
export interface FlowEndRecord {
  key: IsnPair
  netns_cookie: bigint
  age_ns: bigint
  local_address: Uint8Array
  remote_address: Uint8Array
  local_port: number
  remote_port: number
  family: number
  role: number
  state: number
  path: number
  path_reason: number
  proven: number
  why: number
  reader_tgid: number
  reader_comm: string
  unread_bytes: number
  pad: number
  redirected_bytes: bigint
  received_tcp_bytes: bigint
}
export const flowEnd: StructCodec<FlowEndRecord> = struct({
  key: isnPair,
  netns_cookie: u64,
  age_ns: u64,
  local_address: bytes(16),
  remote_address: bytes(16),
  local_port: u16,
  remote_port: u16,
  family: u16,
  role: u8,
  state: u8,
  path: u8,
  path_reason: u8,
  proven: u8,
  why: u8,
  reader_tgid: u32,
  reader_comm: text(16),
  unread_bytes: u32,
  pad: u32,
  redirected_bytes: u64,
  received_tcp_bytes: u64,
})
