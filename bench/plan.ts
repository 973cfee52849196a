import type { KubernetesOptions } from './kubernetes/bench.ts'
import {
  type BenchOptions,
  modes,
  observations,
  parseSize,
  type Proxy,
  type Scenario,
  scenarios,
} from './options.ts'
import { fullPace, quickPace } from './measure/pace.ts'
import type { MeshName } from './topology/mesh.ts'
import { type Redirect, redirects } from './topology/rules/redirect.ts'
import { redirectsOf, usualRedirect } from './topology/rules/rule-set.ts'

// `--quick` ends within a minute, including setup and cleanup.
const QUICK_BUDGET_MS = 52_000
const MAX_PAYLOAD = 1 << 30
const MAX_WRITE = 256 << 10
const MAX_RATE = 1_000_000
const MAX_CONNECTIONS = 1024

/** The command line as entered: lists are separated by commas, `duration` is in seconds. */
export interface BenchArguments {
  readonly proxy: Proxy
  readonly mesh: MeshName
  readonly redirect: string | undefined
  readonly scenario: string
  readonly modes: string | undefined
  readonly observe: string | undefined
  readonly connections: string | undefined
  readonly payload: string | undefined
  readonly duration: number | undefined
  readonly rounds: number | undefined
  readonly rate: number | undefined
  readonly quick: boolean
}

/** The arguments of `--kubernetes`. */
export interface KubernetesArguments {
  readonly image: string
  readonly node: string | undefined
  readonly revision: string | undefined
}

/** An error in the command line. */
export class PlanError extends Error {
  override readonly name = 'PlanError'
}

/** Derives the plan of `--kubernetes`. */
export function planKubernetes(given: BenchArguments & KubernetesArguments): KubernetesOptions {
  const { mesh, image, node, revision, quick } = given
  for (const option of ['proxy', 'redirect', 'modes', 'observe', 'rate'] as const) {
    const value = given[option]
    if (value !== undefined && value !== 'haproxy') {
      throw new PlanError(`--${option} is for this machine; with --kubernetes the cluster decides`)
    }
  }
  if (given.scenario !== 'keepalive') throw new PlanError('--kubernetes measures keepalive only')
  if (revision !== undefined && mesh !== 'istio') throw new PlanError('--revision is of Istio')
  const durationSeconds = given.duration ?? (quick ? 5 : 15)
  if (!(durationSeconds >= 1 && durationSeconds <= 3600)) {
    throw new PlanError('--duration with --kubernetes must be from 1s to 1h, such as 5s or 2m')
  }
  return {
    mesh,
    image,
    ...(node === undefined ? {} : { node }),
    ...(revision === undefined ? {} : { revision }),
    connections: list('--connections', given.connections ?? (quick ? '16' : '1,16'), count),
    payloads: list('--payload', given.payload ?? '81,64KiB', payload),
    rounds: roundsOf(given),
    durationSeconds,
  }
}

/** Derives the plan from the command line. Throws a PlanError if the command line is invalid. */
export function planBench(
  given: BenchArguments,
  usual: () => Redirect = usualRedirect,
): BenchOptions {
  const { quick, proxy, mesh } = given
  const wanted = names('--scenario', given.scenario, scenarios)
  if (wanted.includes('mtls') && proxy !== 'envoy') {
    throw new PlanError('--scenario mtls needs --proxy envoy')
  }
  const ways =
    given.redirect === undefined ? [usual()] : names('--redirect', given.redirect, redirects)
  const strange = ways.find((way) => !redirectsOf[mesh].includes(way))
  if (strange !== undefined) {
    throw new PlanError(
      `--mesh ${mesh} writes its rules with ${redirectsOf[mesh].join(' or ')}, not as ${strange}`,
    )
  }
  const seconds = given.duration ?? (quick ? 1 : 2)
  if (!(seconds > 0 && seconds <= 3600))
    throw new PlanError('--duration must be above 0s and at most 1h, such as 500ms, 2s or 2m')
  if (given.observe !== undefined && !given.modes?.includes('observed')) {
    throw new PlanError('--observe is for --modes observed')
  }
  const { rate } = given
  if (rate !== undefined && !(rate >= 1 && rate <= MAX_RATE)) {
    throw new PlanError(`--rate is a number of requests per second, 1 to ${MAX_RATE}`)
  }
  const sizes = given.payload === undefined ? undefined : list('--payload', given.payload, payload)
  const streamSizes = sizes ?? [1024, 65536]
  if (wanted.includes('stream') && streamSizes.some((size) => size > MAX_WRITE || size === 0)) {
    throw new PlanError(`--payload of a stream is the size of a write: 1 to ${MAX_WRITE} bytes`)
  }
  const quickModes = 'iptables,meshaccel,unix'
  // The cost of observing is measured only on request.
  const allModes = modes.filter((mode) => mode !== 'observed')
  return {
    proxy,
    mesh,
    redirects: ways,
    scenarios: wanted,
    modes: names('--modes', given.modes ?? (quick ? quickModes : allModes.join()), modes),
    observations: names('--observe', given.observe ?? 'measure,trace,otlp', observations),
    connections: list(
      '--connections',
      given.connections ?? defaultConnections(wanted, quick),
      count,
    ),
    payloads: sizes ?? [81, 65536],
    streamPayloads: streamSizes,
    pace: quick ? quickPace(seconds * 1000) : fullPace(seconds * 1000),
    rounds: roundsOf(given),
    ...(rate === undefined ? {} : { rate }),
    ...(quick ? { budgetMs: QUICK_BUDGET_MS } : {}),
  }
}

function roundsOf({ rounds = 3 }: BenchArguments): number {
  if (Number.isInteger(rounds) && rounds >= 1) return rounds
  throw new PlanError('--rounds is not a count')
}

function defaultConnections(wanted: readonly Scenario[], quick: boolean): string {
  if (wanted.every((scenario) => scenario === 'stream')) return '1'
  return quick ? '16' : '1,16'
}

function names<const T extends string>(option: string, text: string, known: readonly T[]): T[] {
  return list(option, text, (name) => known.find((each) => each === name), known.join(', '))
}

function list<T>(
  option: string,
  text: string,
  parse: (item: string) => T | undefined,
  known?: string,
): T[] {
  const items = text.split(',').map((item) => {
    const value = parse(item.trim())
    if (value !== undefined) return value
    throw new PlanError(
      `${option}: ${item || 'nothing'} is none${known === undefined ? '' : ` of ${known}`}`,
    )
  })
  return [...new Set(items)]
}

function count(text: string): number | undefined {
  const value = /^\d+$/.test(text) ? Number(text) : 0
  return value >= 1 && value <= MAX_CONNECTIONS ? value : undefined
}

function payload(text: string): number | undefined {
  const size = parseSize(text)
  return size !== undefined && size <= MAX_PAYLOAD ? size : undefined
}
