import type { Host, Software } from './measure/host.ts'
import type { Figures } from './measure/measured-run.ts'
import type { Cell, Mode } from './options.ts'
import type { Pace } from './measure/pace.ts'
import type { ProxySoftware } from './proxies/sidecars.ts'
import type { Outcome } from './measure/intervals.ts'
import type { Ended } from './measure/stopping.ts'
import type { RatioInterval } from '../src/lib/paired-ratio.ts'
import type { MeshName } from './topology/mesh.ts'

/** One measured run. */
export interface Run extends Cell, Figures {
  readonly mode: Mode
  /** Counts from 1. */
  readonly round: number
}

/** A mode against another over all rounds, with 95 % intervals. A ratio above 1 means more. */
export interface Comparison extends Cell {
  readonly mode: Mode
  readonly baseline: Mode
  readonly qpsRatio?: RatioInterval
  readonly gbpsRatio?: RatioInterval
  readonly p50Ratio?: RatioInterval
  readonly p99Ratio?: RatioInterval
  readonly cpuRatio?: RatioInterval
  /** The meaning of the ratio of the speeds. */
  readonly verdict?: Outcome
  /** At a fixed rate. */
  readonly openP50Ratio?: RatioInterval
  readonly openP99Ratio?: RatioInterval
}

/** The output of `meshaccel bench -o json`. */
export interface Report {
  /** The start time: ISO 8601, UTC. */
  readonly startedAt: string
  readonly host: Host
  readonly software: Software
  readonly pace: Pace
  readonly proxy: ProxySoftware
  readonly mesh: MeshName
  /** Set for a comparison inside a cluster: the node of all its pods. */
  readonly kubernetes?: { readonly node: string }
  readonly runs: readonly Run[]
  readonly comparisons: readonly Comparison[]
  readonly repeatedRounds: number
  /** The width that an interval had to reach, as a share of its ratio. */
  readonly precision: number
  readonly ended: Ended
}
