/** The measuring programs. They are loaded and attached only while something is measured, and end with this process. */

import { join } from 'node:path'
import { type AnyMap, type Attachment, type BpfMap, bytes, type LoadedObject, u64 } from 'libbpf'
import { packageRoot } from '../../lib/package.ts'
import {
  eventKinds,
  type Measurement,
  type MeasureSettings,
  type TrialCounts,
} from '../datapath.ts'
import { trialCounts, trialKeys } from './trial-counts.ts'
import { groupValues } from '../generated-names.ts'
import { type KernelTypes, kernelTypes } from '../kernel-types.ts'
import { addUp, type MeasuredPair } from './add-up.ts'
import {
  measured,
  type MeasureSettingsRecord,
  meshaccelGroupsMap,
  meshaccelMeasuredMap,
  meshaccelMeasureMap,
  meshaccelToldMap,
  meshaccelTrialMap,
  pair,
  type PairRecord,
  type ToldRecord,
  trialKey,
  type TrialKeyRecord,
  trialSums,
} from './generated.ts'

const OBJECT_PATH = join(packageRoot, 'build/bpf/measure.bpf.o')
/** Every kernel has their tracepoints. */
const PROGRAMS = ['meshaccel_arrived', 'meshaccel_read']
/** Since Linux 6.3 the kernel has tracepoints for sends and receives. */
const TRACEPOINTS = new Map([
  ['meshaccel_sent', 'sock_send_length'],
  ['meshaccel_answered', 'sock_recv_length'],
])
/** Without those tracepoints, programs run at the return of these functions, as far as the kernel has them. */
const FUNCTIONS = new Map([
  ['meshaccel_sent_v4', 'inet_sendmsg'],
  ['meshaccel_sent_v6', 'inet6_sendmsg'],
  ['meshaccel_sent_page', 'inet_sendpage'],
  ['meshaccel_answered_v4', 'inet_recvmsg'],
  ['meshaccel_answered_v6', 'inet6_recvmsg'],
])
/**
 * The maps of the measuring object itself. All other maps that it declares are the data path's pinned ones, or unused.
 */
const OWN_MAPS = ['timings', 'met', 'crossings', 'measured', 'groups', 'measure', 'told', 'trial']

/** The maps of the data path that the programs read. */
const WATCHED_MAPS = ['ends', 'conns', 'events', 'pods'] as const
export type WatchedMaps = Readonly<Record<(typeof WATCHED_MAPS)[number], AnyMap>>

export class Measurements implements Disposable {
  readonly #watched: WatchedMaps
  readonly #btf: string | undefined
  /** Labels of the pods, by netns cookie. */
  readonly #labels = new Map<bigint, string>()
  /** A label's index is its group number. */
  readonly #groups = ['unknown']
  #running: Running | undefined

  /** `btf` is the BTF file or folder that the user named. */
  constructor(watched: WatchedMaps, btf?: string) {
    this.#watched = watched
    this.#btf = btf
  }

  /** Replaces the settings. Existing counts stay until all measuring is off. */
  set(wanted: MeasureSettings): void {
    const { histograms, oneIn, slowReadMs, slowRequestMs, changes, trial } = wanted
    const isIdle = !histograms && !changes && slowReadMs === 0 && slowRequestMs === 0
    if (isIdle && trial.length === 0) {
      this[Symbol.dispose]()
      return
    }
    const running = (this.#running ??= this.#start())
    running.count(trial)
    running.settings.update(0, {
      slowReadNs: BigInt(Math.round(slowReadMs * 1e6)),
      slowRequestNs: BigInt(Math.round(slowRequestMs * 1e6)),
      histograms: histograms ? 1 : 0,
      changes: changes ? 1 : 0,
      trial: trial.length > 0 ? 1 : 0,
      oneIn,
    })
  }

  /** Sets the label under which the pod's traffic is added up. */
  label(netnsCookie: bigint, label: string): void {
    if (this.#labels.get(netnsCookie) === label) return
    this.#labels.set(netnsCookie, label)
    this.#running?.groups.update(netnsCookie, this.#groupOf(label))
  }

  forget(netnsCookie: bigint): void {
    if (this.#labels.delete(netnsCookie)) this.#running?.groups.delete(netnsCookie)
  }

  read(): Measurement[] {
    const labelOf = (group: number): string =>
      group === groupValues.other ? 'other' : (this.#groups[group] ?? 'unknown')
    return addUp(this.#running?.read() ?? [], labelOf)
  }

  /** The counts of the pods in the trial. */
  trial(): TrialCounts[] {
    return this.#running?.trial() ?? []
  }

  /** The number of events that were dropped because there were too many, since measuring began. */
  dropped(): bigint {
    return this.#running?.dropped() ?? 0n
  }

  [Symbol.dispose](): void {
    this.#running?.[Symbol.dispose]()
    this.#running = undefined
  }

  #start(): Running {
    const running = new Running(this.#watched, this.#btf)
    for (const [cookie, label] of this.#labels) {
      running.groups.update(cookie, this.#groupOf(label))
    }
    return running
  }

  #groupOf(label: string): number {
    const known = this.#groups.indexOf(label)
    return known >= 0 ? known : this.#groups.push(label) - 1
  }
}

/** The loaded and attached object. */
class Running implements Disposable {
  readonly #object: LoadedObject
  readonly #links: Attachment[]
  readonly #measured: BpfMap<PairRecord, Uint8Array>
  readonly #told: BpfMap<number, ToldRecord>
  readonly #trial: BpfMap<TrialKeyRecord, Uint8Array>
  readonly groups: BpfMap<bigint, number>
  readonly settings: BpfMap<number, MeasureSettingsRecord>

  constructor(watched: WatchedMaps, btf: string | undefined) {
    const object = load(watched, btf)
    const links: Attachment[] = []
    try {
      this.groups = meshaccelGroupsMap.of(object)
      this.settings = meshaccelMeasureMap.of(object)
      this.#told = meshaccelToldMap.of(object)
      this.#measured = object.map(meshaccelMeasuredMap.name, pair, bytes(measured.size))
      this.#trial = object.map(meshaccelTrialMap.name, trialKey, bytes(trialSums.size))
      this.#measured.update({ groups: [groupValues.other, groupValues.other] }, new Uint8Array())
      for (const name of object.programNames) {
        if (object.isLoaded(name)) links.push(object.program(name).attachTracing())
      }
    } catch (error) {
      for (const link of links) link[Symbol.dispose]()
      object[Symbol.dispose]()
      throw error
    }
    this.#object = object
    this.#links = links
  }

  /** The sums over all CPUs. */
  read(): MeasuredPair[] {
    return [...this.#measured.keys()].flatMap((key) => {
      const perCpu = this.#measured.lookupPerCpu(key)
      if (perCpu === undefined) return []
      return [{ groups: key.groups, sums: measured.decode(sum(perCpu, measured.size), 0) }]
    })
  }

  /** Makes the records of these pods, and removes all others. */
  count(netnsCookies: readonly bigint[]): void {
    const empty = new Uint8Array(trialSums.size)
    const counted = new Set<bigint>()
    for (const key of this.#trial.keys()) {
      if (netnsCookies.includes(key.netnsCookie)) counted.add(key.netnsCookie)
      else this.#trial.delete(key)
    }
    for (const cookie of netnsCookies) {
      if (counted.has(cookie)) continue
      for (const key of trialKeys(cookie)) this.#trial.update(key, empty)
    }
  }

  trial(): TrialCounts[] {
    return [...this.#trial.keys()].flatMap((key) => {
      const perCpu = this.#trial.lookupPerCpu(key)
      if (perCpu === undefined) return []
      return [trialCounts(key, trialSums.decode(sum(perCpu, trialSums.size), 0))]
    })
  }

  dropped(): bigint {
    return eventKinds.reduce(
      (total, _, kind) => total + (this.#told.lookup(kind)?.dropped ?? 0n),
      0n,
    )
  }

  [Symbol.dispose](): void {
    for (const link of this.#links) link[Symbol.dispose]()
    this.#object[Symbol.dispose]()
  }
}

/** Adds up structs field by field. They consist of 64-bit numbers only. */
function sum(perCpu: readonly Uint8Array[], size: number): DataView {
  const total = new BigUint64Array(size / u64.size)
  for (const value of perCpu) {
    const numbers = new BigUint64Array(value.buffer)
    for (const [index, number] of numbers.entries()) {
      total[index] = (total[index] ?? 0n) + number
    }
  }
  return new DataView(total.buffer)
}

function load(watched: WatchedMaps, btf: string | undefined): LoadedObject {
  const types = kernelTypes(btf)
  const open = types.open(OBJECT_PATH)
  try {
    for (const name of open.mapNames) {
      const used = [...OWN_MAPS, ...WATCHED_MAPS].some((one) => name === `meshaccel_${one}`)
      if (!used && !name.endsWith('.rodata')) open.setAutocreate(name, false)
    }
    for (const name of WATCHED_MAPS) open.reuseMap(`meshaccel_${name}`, watched[name])
    const programs = [...PROGRAMS, ...programsForMessages(types)]
    for (const name of open.programNames) open.setAutoload(name, programs.includes(name))
    return types.load(open)
  } finally {
    open[Symbol.dispose]()
  }
}

/** The programs that see sends and receives on this kernel. */
function programsForMessages(types: KernelTypes): string[] {
  const tracepoints = types.tracepoints([...TRACEPOINTS.values()])
  if (tracepoints.size === TRACEPOINTS.size) return [...TRACEPOINTS.keys()]
  const functions = types.functions([...FUNCTIONS.values()])
  return [...FUNCTIONS].flatMap(([name, at]) => (functions.has(at) ? [name] : []))
}
