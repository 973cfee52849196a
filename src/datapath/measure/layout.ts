/** The maps of the measuring programs, as bpf/include/measure.h lays them out; a test compares the two through BTF. */

import { array, bytes, struct, u16, u32, u64, u8 } from 'libbpf'
import type { StructCodec } from 'libbpf'
import { event, type EventRecord } from '../maps/layout.ts'

export const TIME_BUCKETS = 26
export const TIME_FIRST_BITS = 10
export const SIZE_BUCKETS = 16
export const SIZE_FIRST_BITS = 6
export const GROUP_UNKNOWN = 0
export const GROUP_OTHER = 0xffff_ffff

/** enum measured_path, in its order. */
export const measuredPaths = ['tcp', 'redirect'] as const
const ROLES = 2

export interface TimesRecord {
  sum_ns: bigint
  buckets: bigint[]
}
const times: StructCodec<TimesRecord> = struct({ sum_ns: u64, buckets: array(u64, TIME_BUCKETS) })

export interface SizesRecord {
  sum_bytes: bigint
  buckets: bigint[]
}
const sizes: StructCodec<SizesRecord> = struct({
  sum_bytes: u64,
  buckets: array(u64, SIZE_BUCKETS),
})

export interface MeasuredDirectionRecord {
  sent: SizesRecord[]
  read_delays: TimesRecord[]
}
const measuredDirection: StructCodec<MeasuredDirectionRecord> = struct({
  sent: array(sizes, measuredPaths.length),
  read_delays: array(times, measuredPaths.length),
})

export interface MeasuredRecord {
  directions: MeasuredDirectionRecord[]
  requests: TimesRecord[]
}
/** All of it counts up, in 64 bits each. */
export const measured: StructCodec<MeasuredRecord> = struct({
  directions: array(measuredDirection, ROLES),
  requests: array(times, measuredPaths.length),
})

/** The groups of client and server. */
export interface PairRecord {
  groups: number[]
}
export const pair: StructCodec<PairRecord> = struct({ groups: array(u32, ROLES) })

export interface SettingsRecord {
  slow_read_ns: bigint
  slow_request_ns: bigint
  histograms: number
  changes: number
}
export const settings: StructCodec<SettingsRecord> = struct({
  slow_read_ns: u64,
  slow_request_ns: u64,
  histograms: u32,
  changes: u32,
})

export interface ToldRecord {
  since_ns: bigint
  dropped: bigint
  told: number
  pad: number
}
export const told: StructCodec<ToldRecord> = struct({
  since_ns: u64,
  dropped: u64,
  told: u32,
  pad: u32,
})

export interface FlowEventRecord {
  event: EventRecord
  peer_cookie: bigint
  ended_ns: bigint
  duration_ns: bigint
  local_address: Uint8Array
  remote_address: Uint8Array
  local_port: number
  remote_port: number
  family: number
  role: number
  path: number
}
export const flowEvent: StructCodec<FlowEventRecord> = struct({
  event,
  peer_cookie: u64,
  ended_ns: u64,
  duration_ns: u64,
  local_address: bytes(16),
  remote_address: bytes(16),
  local_port: u16,
  remote_port: u16,
  family: u16,
  role: u8,
  path: u8,
})
