import type { Host, Software } from './measure/host.ts'
import type { Figures } from './measure/measured-run.ts'
import type { Cell, Mode } from './options.ts'
import type { Pace } from './measure/pace.ts'
import type { Spread } from './measure/statistics.ts'
import type { ProxySoftware } from './proxies/sidecars.ts'
import type { MeshName } from './topology/mesh.ts'

/** One measured run. */
export interface Run extends Cell, Figures {
  readonly mode: Mode
  /** Counts from 1. */
  readonly round: number
}

/** A mode against another over all rounds. A ratio above 1 means more. */
export interface Comparison extends Cell {
  readonly mode: Mode
  readonly baseline: Mode
  readonly qpsRatio?: Spread
  readonly gbpsRatio?: Spread
  readonly p50Ratio?: Spread
  readonly p99Ratio?: Spread
  readonly cpuRatio?: Spread
  /** At a fixed rate. */
  readonly openP50Ratio?: Spread
  readonly openP99Ratio?: Spread
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
}
