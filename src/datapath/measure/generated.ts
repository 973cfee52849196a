// Generated from BTF, by
//     bpf2ts build/bpf/measure.bpf.o --map meshaccel_measured meshaccel_groups meshaccel_measure
//       meshaccel_told meshaccel_trial
// Do not edit it: change the C source, build the object and run the command again.

import { array, type DescribedMap, describeMap, struct, type StructCodec, u32, u64 } from 'libbpf'

/** struct pair, 8 bytes */
export interface PairRecord {
  groups: number[]
}
export const pair: StructCodec<PairRecord> = struct({
  groups: array(u32, 2),
})

/** struct sizes, 136 bytes */
export interface SizesRecord {
  sumBytes: bigint
  buckets: bigint[]
}
export const sizes: StructCodec<SizesRecord> = struct({
  sumBytes: u64,
  buckets: array(u64, 16),
})

/** struct times, 216 bytes */
export interface TimesRecord {
  sumNs: bigint
  buckets: bigint[]
}
export const times: StructCodec<TimesRecord> = struct({
  sumNs: u64,
  buckets: array(u64, 26),
})

/** struct measured_direction, 704 bytes */
export interface MeasuredDirectionRecord {
  sent: SizesRecord[]
  readDelays: TimesRecord[]
}
export const measuredDirection: StructCodec<MeasuredDirectionRecord> = struct({
  sent: array(sizes, 2),
  readDelays: array(times, 2),
})

/** struct measured, 1840 bytes */
export interface MeasuredRecord {
  directions: MeasuredDirectionRecord[]
  requests: TimesRecord[]
}
export const measured: StructCodec<MeasuredRecord> = struct({
  directions: array(measuredDirection, 2),
  requests: array(times, 2),
})

export const meshaccelMeasuredMap: DescribedMap<PairRecord, MeasuredRecord> = describeMap({
  name: 'meshaccel_measured',
  type: 'PERCPU_HASH',
  maxEntries: 1024,
  key: pair,
  value: measured,
})

export const meshaccelGroupsMap: DescribedMap<bigint, number> = describeMap({
  name: 'meshaccel_groups',
  type: 'HASH',
  maxEntries: 4096,
  key: u64,
  value: u32,
})

/** struct measure_settings, 32 bytes */
export interface MeasureSettingsRecord {
  slowReadNs: bigint
  slowRequestNs: bigint
  histograms: number
  changes: number
  trial: number
  oneIn: number
}
export const measureSettings: StructCodec<MeasureSettingsRecord> = struct({
  slowReadNs: u64,
  slowRequestNs: u64,
  histograms: u32,
  changes: u32,
  trial: u32,
  oneIn: u32,
})

export const meshaccelMeasureMap: DescribedMap<number, MeasureSettingsRecord> = describeMap({
  name: 'meshaccel_measure',
  type: 'ARRAY',
  maxEntries: 1,
  key: u32,
  value: measureSettings,
})

/** struct told, 24 bytes */
export interface ToldRecord {
  sinceNs: bigint
  dropped: bigint
  told: number
}
export const told: StructCodec<ToldRecord> = struct({
  sinceNs: u64,
  dropped: u64,
  told: u32,
})

export const meshaccelToldMap: DescribedMap<number, ToldRecord> = describeMap({
  name: 'meshaccel_told',
  type: 'ARRAY',
  maxEntries: 7,
  key: u32,
  value: told,
})

/** struct trial_key, 16 bytes */
export interface TrialKeyRecord {
  netnsCookie: bigint
  isProxy: number
}
export const trialKey: StructCodec<TrialKeyRecord> = struct({
  netnsCookie: u64,
  isProxy: u32,
})

/** struct trial_sums, 3088 bytes */
export interface TrialSumsRecord {
  sentBytes: bigint[]
  requests: bigint[]
}
export const trialSums: StructCodec<TrialSumsRecord> = struct({
  sentBytes: array(u64, 2),
  requests: array(u64, 384),
})

export const meshaccelTrialMap: DescribedMap<TrialKeyRecord, TrialSumsRecord> = describeMap({
  name: 'meshaccel_trial',
  type: 'PERCPU_HASH',
  maxEntries: 8192,
  key: trialKey,
  value: trialSums,
})
