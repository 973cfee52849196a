import type { KubernetesOptions } from './kubernetes/bench.ts'
import {
  type BenchOptions,
  type Mode,
  modes,
  observations,
  parseSize,
  type Proxy,
  type Scenario,
  scenarios,
} from './options.ts'
import type { Effort } from './measure/stopping.ts'
import { fullPace, quickPace } from './measure/pace.ts'
import type { MeshName } from './topology/mesh.ts'
import { type Redirect, redirects } from './topology/rules/redirect.ts'
import { redirectsOf, usualRedirect } from './topology/rules/rule-set.ts'

// `--quick` ends within a minute, including the check of the set-up that `npm run bench` makes first.
const QUICK_LIMIT_MS = 50_000
const USUAL_LIMIT_MS = 600_000
/** Set-up, one round of a few modes, and removal. */
const LEAST_LIMIT_MS = 20_000
const MOST_LIMIT_MS = 86_400_000
const USUAL_PRECISION = '3%'
const MAX_PAYLOAD = 1 << 30
const MAX_WRITE = 256 << 10
const MAX_RATE = 1_000_000
const MAX_CONNECTIONS = 1024

/** The command line as entered: lists are separated by commas, `duration` and `timeLimit` are in seconds. */
export interface BenchArguments {
  readonly proxy: Proxy
  readonly 'proxy-binary': string | undefined
  readonly mesh: MeshName | undefined
  readonly redirect: string | undefined
  readonly scenario: string
  readonly modes: string | undefined
  readonly observe: string | undefined
  readonly connections: string | undefined
  readonly payload: string | undefined
  readonly duration: number | undefined
  readonly rounds: number | undefined
  readonly precision: string | undefined
  readonly timeLimit: number | undefined
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
  const { mesh = 'istio', image, node, revision, quick } = given
  for (const option of ['proxy', 'proxy-binary', 'redirect', 'modes', 'observe', 'rate'] as const) {
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
    // In a cluster an impression takes more than a minute: each run starts a pod.
    ...effortOf(given, USUAL_LIMIT_MS),
    durationSeconds,
  }
}

/** Derives the plan from the command line. Throws a PlanError if the command line is invalid. */
export function planBench(
  given: BenchArguments,
  usual: () => Redirect = usualRedirect,
): BenchOptions {
  const { quick, proxy, 'proxy-binary': binary } = given
  const mesh = meshOf(given)
  const wanted = names('--scenario', given.scenario, scenarios)
  if (wanted.includes('mtls') && proxy === 'haproxy') {
    throw new PlanError('--scenario mtls needs --proxy envoy or linkerd')
  }
  const ways =
    given.redirect === undefined ? [usual()] : names('--redirect', given.redirect, redirects)
  const strange = ways.find((way) => !redirectsOf[mesh].includes(way))
  if (strange !== undefined) {
    throw new PlanError(
      `--mesh ${mesh} writes its rules with ${redirectsOf[mesh].join(' or ')}, not as ${strange}`,
    )
  }
  const seconds = given.duration ?? (quick ? 0.5 : 1)
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
  return {
    proxy,
    ...(binary === undefined ? {} : { proxyBinary: binary }),
    mesh,
    redirects: ways,
    scenarios: wanted,
    modes: modesOf(given),
    observations: names('--observe', given.observe ?? 'measure,trace,otlp', observations),
    connections: list(
      '--connections',
      given.connections ?? defaultConnections(wanted, quick),
      count,
    ),
    payloads: sizes ?? [81, 65536],
    streamPayloads: streamSizes,
    pace: quick ? quickPace(seconds * 1000) : fullPace(seconds * 1000),
    ...(rate === undefined ? {} : { rate }),
    ...effortOf(given, quick ? QUICK_LIMIT_MS : USUAL_LIMIT_MS),
  }
}

/** The mesh whose rules are set up. Linkerd's proxy works with those of Linkerd only. */
function meshOf({ proxy, 'proxy-binary': binary, mesh }: BenchArguments): MeshName {
  if (binary !== undefined && proxy !== 'linkerd') {
    throw new PlanError('--proxy-binary is for --proxy linkerd')
  }
  if (proxy !== 'linkerd') return mesh ?? 'istio'
  if (mesh === 'istio') throw new PlanError('--proxy linkerd needs --mesh linkerd')
  return 'linkerd'
}

function modesOf({ modes: wanted, proxy, quick }: BenchArguments): readonly Mode[] {
  if (wanted !== undefined) {
    const found = names('--modes', wanted, modes)
    if (proxy !== 'linkerd' || !found.includes('unix')) return found
    throw new PlanError("--modes unix: Linkerd's proxy does not listen on Unix sockets")
  }
  const usual: readonly Mode[] = quick
    ? ['iptables', 'meshaccel', 'unix']
    : // The cost of observing is measured only on request.
      modes.filter((mode) => mode !== 'observed')
  return usual.filter((mode) => mode !== 'unix' || proxy !== 'linkerd')
}

/** A number of rounds is exact, and takes the time it takes, except with --quick. */
function effortOf(
  { rounds, precision, timeLimit, quick }: BenchArguments,
  usualLimitMs: number,
): Effort {
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds >= 1)) {
    throw new PlanError('--rounds is not a count')
  }
  if (rounds !== undefined && precision !== undefined) {
    throw new PlanError('--rounds is an exact number of rounds: leave out --precision')
  }
  const limitMs = timeLimit === undefined ? undefined : timeLimit * 1000
  if (limitMs !== undefined && !(limitMs >= LEAST_LIMIT_MS && limitMs <= MOST_LIMIT_MS)) {
    throw new PlanError('--time-limit must be from 20s to 24h, such as 90s or 10m')
  }
  const timeLimitMs = limitMs ?? (rounds === undefined || quick ? usualLimitMs : undefined)
  return {
    ...(rounds === undefined ? {} : { rounds }),
    precision: share(precision ?? USUAL_PRECISION),
    ...(timeLimitMs === undefined ? {} : { timeLimitMs }),
  }
}

/** The share that `3%`, `3 %` or `3` is. */
function share(text: string): number {
  const percent = Number(/^(\d+(?:\.\d+)?) ?%?$/.exec(text.trim())?.[1])
  if (percent >= 0.1 && percent <= 100) return percent / 100
  throw new PlanError('--precision is the width of an interval, from 0.1% to 100%, such as 3%')
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
