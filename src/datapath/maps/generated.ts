// Generated from BTF, by
//     bpf2ts build/bpf/layout.bpf.o --struct event flow_end flow_event --map meshaccel_config
//       meshaccel_pods meshaccel_counters meshaccel_gauge meshaccel_quarantine meshaccel_cursor
//       --bytes cidr.address cidr.mask
// Do not edit it: change the C source, build the object and run the command again.

import {
  array,
  bytes,
  type DescribedMap,
  describeMap,
  struct,
  structAt,
  type StructCodec,
  text,
  u16,
  u32,
  u64,
  u8,
} from 'libbpf'

/** struct event, 40 bytes */
export interface EventRecord {
  netnsCookie: bigint
  kind: number
  reason: number
  tgid: number
  comm: string
}
export const event: StructCodec<EventRecord> = structAt(40, {
  netnsCookie: [0, u64],
  kind: [8, u32],
  reason: [12, u32],
  tgid: [16, u32],
  comm: [24, text(16)],
})

/** struct isn_pair, 8 bytes */
export interface IsnPairRecord {
  own: number
  peer: number
}
export const isnPair: StructCodec<IsnPairRecord> = struct({
  own: u32,
  peer: u32,
})

/** struct flow_end, 120 bytes */
export interface FlowEndRecord {
  key: IsnPairRecord
  netnsCookie: bigint
  ageNs: bigint
  localAddress: Uint8Array
  remoteAddress: Uint8Array
  localPort: number
  remotePort: number
  family: number
  role: number
  state: number
  path: number
  pathReason: number
  proven: number
  why: number
  readerTgid: number
  readerComm: string
  unreadBytes: number
  turns: number
  redirectedBytes: bigint
  receivedTcpBytes: bigint
  ackedBytes: bigint
}
export const flowEnd: StructCodec<FlowEndRecord> = struct({
  key: isnPair,
  netnsCookie: u64,
  ageNs: u64,
  localAddress: bytes(16),
  remoteAddress: bytes(16),
  localPort: u16,
  remotePort: u16,
  family: u16,
  role: u8,
  state: u8,
  path: u8,
  pathReason: u8,
  proven: u8,
  why: u8,
  readerTgid: u32,
  readerComm: text(16),
  unreadBytes: u32,
  turns: u32,
  redirectedBytes: u64,
  receivedTcpBytes: u64,
  ackedBytes: u64,
})

/** struct flow_event, 104 bytes */
export interface FlowEventRecord {
  event: EventRecord
  peerCookie: bigint
  endedNs: bigint
  durationNs: bigint
  localAddress: Uint8Array
  remoteAddress: Uint8Array
  localPort: number
  remotePort: number
  family: number
  role: number
  path: number
}
export const flowEvent: StructCodec<FlowEventRecord> = struct({
  event: event,
  peerCookie: u64,
  endedNs: u64,
  durationNs: u64,
  localAddress: bytes(16),
  remoteAddress: bytes(16),
  localPort: u16,
  remotePort: u16,
  family: u16,
  role: u8,
  path: u8,
})

/** struct config, 96 bytes */
export interface ConfigRecord {
  redirect: number
  capBytes: number
  heartbeatNs: bigint
  keepaliveS: number
  scan: number
  slotsUsed: number
  stopWhenStale: number
  cgroupId: bigint
  proxiesOnly: number
  tcpMemoryPages: number
  sweptNs: bigint
  rules: number
  probesRun: number
  probesOk: number
  spliceWatched: number
  sweep: number
  fionreadHides: number
  podMemoryBytes: bigint
  nodeMemoryBytes: bigint
}
export const config: StructCodec<ConfigRecord> = struct({
  redirect: u32,
  capBytes: u32,
  heartbeatNs: u64,
  keepaliveS: u32,
  scan: u32,
  slotsUsed: u32,
  stopWhenStale: u32,
  cgroupId: u64,
  proxiesOnly: u32,
  tcpMemoryPages: u32,
  sweptNs: u64,
  rules: u32,
  probesRun: u32,
  probesOk: u32,
  spliceWatched: u32,
  sweep: u32,
  fionreadHides: u32,
  podMemoryBytes: u64,
  nodeMemoryBytes: u64,
})

export const meshaccelConfigMap: DescribedMap<number, ConfigRecord> = describeMap({
  name: 'meshaccel_config',
  type: 'ARRAY',
  maxEntries: 1,
  key: u32,
  value: config,
})

/** struct port_range, 4 bytes */
export interface PortRangeRecord {
  from: number
  to: number
}
export const portRange: StructCodec<PortRangeRecord> = struct({
  from: u16,
  to: u16,
})

/** struct cidr, 36 bytes */
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

/** struct pod, 1436 bytes */
export interface PodRecord {
  enabled: number
  proxyUid: number
  proxyGid: number
  blockingReaders: number
  portRules: number
  cidrRules: number
  uidRules: number
  ports: PortRangeRecord[]
  cidrs: CidrRecord[]
  uids: number[]
}
export const pod: StructCodec<PodRecord> = struct({
  enabled: u32,
  proxyUid: u32,
  proxyGid: u32,
  blockingReaders: u32,
  portRules: u32,
  cidrRules: u32,
  uidRules: u32,
  ports: array(portRange, 32),
  cidrs: array(cidr, 32),
  uids: array(u32, 32),
})

export const meshaccelPodsMap: DescribedMap<bigint, PodRecord> = describeMap({
  name: 'meshaccel_pods',
  type: 'HASH',
  maxEntries: 4096,
  key: u64,
  value: pod,
})

/** struct counters, 448 bytes */
export interface CountersRecord {
  redirectedBytes: bigint
  redirectedMessages: bigint
  tcpBytes: bigint
  tcpMessages: bigint
  joins: bigint
  leaves: bigint
  kicks: bigint
  watched: bigint
  closed: bigint
  reasons: bigint[]
}
export const counters: StructCodec<CountersRecord> = struct({
  redirectedBytes: u64,
  redirectedMessages: u64,
  tcpBytes: u64,
  tcpMessages: u64,
  joins: u64,
  leaves: u64,
  kicks: u64,
  watched: u64,
  closed: u64,
  reasons: array(u64, 47),
})

export const meshaccelCountersMap: DescribedMap<number, CountersRecord> = describeMap({
  name: 'meshaccel_counters',
  type: 'PERCPU_ARRAY',
  maxEntries: 1,
  key: u32,
  value: counters,
})

/** struct gauge, 48 bytes */
export interface GaugeRecord {
  ends: number
  paired: number
  joining: number
  joined: number
  leaving: number
  engaged: number
  mixed: number
  tcpBytes: bigint
  unreadBytes: bigint
}
export const gauge: StructCodec<GaugeRecord> = struct({
  ends: u32,
  paired: u32,
  joining: u32,
  joined: u32,
  leaving: u32,
  engaged: u32,
  mixed: u32,
  tcpBytes: u64,
  unreadBytes: u64,
})

export const meshaccelGaugeMap: DescribedMap<number, GaugeRecord> = describeMap({
  name: 'meshaccel_gauge',
  type: 'ARRAY',
  maxEntries: 1,
  key: u32,
  value: gauge,
})

/** struct program, 24 bytes */
export interface ProgramRecord {
  netnsCookie: bigint
  exeInode: bigint
  exeDevice: number
}
export const program: StructCodec<ProgramRecord> = struct({
  netnsCookie: u64,
  exeInode: u64,
  exeDevice: u32,
})

/** struct quarantine, 32 bytes */
export interface QuarantineRecord {
  sinceNs: bigint
  reason: number
  tgid: number
  comm: string
}
export const quarantine: StructCodec<QuarantineRecord> = struct({
  sinceNs: u64,
  reason: u32,
  tgid: u32,
  comm: text(16),
})

export const meshaccelQuarantineMap: DescribedMap<ProgramRecord, QuarantineRecord> = describeMap({
  name: 'meshaccel_quarantine',
  type: 'LRU_HASH',
  maxEntries: 4096,
  key: program,
  value: quarantine,
})

/** struct cursor, 8 bytes */
export interface CursorRecord {
  next: number
}
export const cursor: StructCodec<CursorRecord> = structAt(8, {
  next: [0, u32],
})

export const meshaccelCursorMap: DescribedMap<number, CursorRecord> = describeMap({
  name: 'meshaccel_cursor',
  type: 'ARRAY',
  maxEntries: 1,
  key: u32,
  value: cursor,
})
