import type { Pace } from './measure/pace.ts'
import type { MeshName } from './topology/mesh.ts'
import type { Redirect } from './topology/rules/redirect.ts'

export const scenarios = ['keepalive', 'close', 'mtls', 'stream', 'remote'] as const
export const modes = ['iptables', 'meshaccel', 'observed', 'naive', 'unix', 'direct'] as const
export const proxies = ['haproxy', 'envoy'] as const
/** The features that mode `observed` enables in addition to the agent's counters. */
export const observations = ['nothing', 'measure', 'trace', 'otlp'] as const

export type Scenario = (typeof scenarios)[number]
export type Mode = (typeof modes)[number]
export type Proxy = (typeof proxies)[number]
export type Observation = (typeof observations)[number]

/** The settings of a comparison. */
export interface BenchOptions {
  readonly proxy: Proxy
  readonly mesh: MeshName
  /** The tools that write the rules. */
  readonly redirects: readonly Redirect[]
  readonly scenarios: readonly Scenario[]
  readonly modes: readonly Mode[]
  readonly observations: readonly Observation[]
  readonly connections: readonly number[]
  /** Sizes of a response's body; in `stream`, of one write. */
  readonly payloads: readonly number[]
  readonly streamPayloads: readonly number[]
  readonly pace: Pace
  /** Requests per second of an extra run at a fixed rate. */
  readonly rate?: number
  readonly rounds: number
  /** The time limit since the start: no round begins that would end after it. */
  readonly budgetMs?: number
}

/** One comparison: the settings that all its modes share. */
export interface Cell {
  readonly scenario: Scenario
  readonly payloadBytes: number
  readonly connections: number
  /** The tool that writes the rules which lead traffic through the sidecars. */
  readonly redirect: Redirect | 'as injected'
}

/** Every combination of the options. */
export function cellsOf(options: BenchOptions): Cell[] {
  return options.redirects.flatMap((redirect) =>
    options.scenarios.flatMap((scenario) =>
      (scenario === 'stream' ? options.streamPayloads : options.payloads).flatMap((payloadBytes) =>
        options.connections.map((connections) => ({
          scenario,
          payloadBytes,
          connections,
          redirect,
        })),
      ),
    ),
  )
}

const units: Readonly<Record<string, number>> = { '': 1, b: 1, k: 1024, m: 1024 ** 2 }

/** Parses `81`, `64KiB`, `64k` or `1MiB` to bytes; undefined if it is not a size. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+)\s*(?:(b)|([km])(?:i?b)?)?$/i.exec(text.trim())
  if (!match) return undefined
  return Number(match[1]) * (units[(match[2] ?? match[3] ?? '').toLowerCase()] ?? 1)
}

/** Formats as `64 KiB` if the number is whole, else in bytes. */
export function formatSize(bytes: number): string {
  if (bytes > 0 && bytes % 1024 ** 2 === 0) return `${bytes / 1024 ** 2} MiB`
  if (bytes > 0 && bytes % 1024 === 0) return `${bytes / 1024} KiB`
  return `${bytes} B`
}
