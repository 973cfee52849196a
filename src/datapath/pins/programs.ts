/**
 * The programs, maps and links of the data path, pinned as one directory of bpffs (pin-directory.ts):
 *
 *     PIN/<hash>/{config,pods,...,watch,verdict,...,scan,...}
 *
 * A successor with the same object adopts it. Links of iterators are pinned, too. So another version, or `cleanup`
 * without an agent, can run them to drain the connections that it finds.
 */

import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Disposables } from '../../lib/disposables.ts'
import { MeshaccelError } from '../../lib/errors.ts'
import { AnyMap, BpfMap, bytes, IterLink, Program, u32, u64 } from 'libbpf'
import { kernelTypes } from '../kernel-types.ts'
import { ATTACHMENTS, FIONREAD_WATCH } from './attachments.ts'
import { loadDataPath, OBJECT_PATH, VISITS } from './load.ts'
import {
  type ConfigRecord,
  type CountersRecord,
  type CursorRecord,
  type GaugeRecord,
  meshaccelConfigMap,
  meshaccelCountersMap,
  meshaccelCursorMap,
  meshaccelGaugeMap,
  meshaccelPodsMap,
  meshaccelQuarantineMap,
  type PodRecord,
  type ProgramRecord,
  type QuarantineRecord,
} from '../maps/generated.ts'
import { holdsPins, makePartial, removePartial } from './pin-directory.ts'

/** The init process of the pid namespace, which every process can name. */
const ANY_TASK = 1

/** The programs that are attached only on demand, by the names of their pins. */
const ON_DEMAND = {
  splice_program: 'meshaccel_splice_call',
  ioctl_program: 'meshaccel_ioctl_call',
} as const

/** Iterators that run once per call, and iterators that walk over the TCP sockets of a network namespace. */
const ITERATORS = {
  scan: 'once',
  survey: 'once',
  flows: 'once',
  sight_watched: 'once',
  reset: 'once',
  sight: 'sockets',
  adopt: 'sockets',
  unwatched: 'sockets',
  kick: 'sockets',
} as const
/** The maps that are pinned, each under this name. The object's name of it begins with `meshaccel_`. */
export const pinnedMaps = [
  'config',
  'members',
  'pods',
  'counters',
  'gauge',
  'quarantine',
  'events',
  'ends',
  'conns',
  'cursor',
  'sockets',
  'identities',
  'shares',
] as const

/** Some of these are pinned: the kernel decides, and whether the watch is needed now. */
const WATCHES: readonly string[] = ['splice', 'splice_call', 'ioctl_call', ...FIONREAD_WATCH]

/** Either the first of these is pinned, or the others, as far as the kernel has their functions. */
const RECEIVES: readonly string[] = ['received', 'received_v4', 'received_v6']

const EVERY_PIN: readonly string[] = [
  pinnedMaps,
  Object.keys(ITERATORS),
  Object.keys(ON_DEMAND),
  Object.keys(VISITS),
  Object.keys(ATTACHMENTS),
  'ioctl_call',
].flat()

/**
 * The pins that every version has in the same form, so that any agent and `cleanup` can drain them.
 * - The settings begin with `__u32 redirect`.
 * - The key of the pods is the netns cookie.
 * - The sockhash holds the members.
 * - The iterators move connections to their next state. `scan` writes the netns cookies of the sockets that need
 *   `kick`.
 * - `reset`, if present, resets connections that cannot leave.
 */
export class Pins implements Disposable {
  readonly #stack = new Disposables()
  readonly #settings: BpfMap<number, Uint8Array>
  readonly #members: BpfMap<Uint8Array, bigint>
  readonly #enrolled: BpfMap<bigint, Uint8Array>
  readonly scan: IterLink
  readonly survey: IterLink
  /** The path of a pin: a separate process walks with it (netns/walks.ts). */
  readonly kick: string
  readonly reset: IterLink | undefined

  /** Opens a complete directory of pins. */
  constructor(directory: string) {
    try {
      const settings = join(directory, 'config')
      using anySettings = AnyMap.openPin(settings)
      this.#settings = this.use(BpfMap.fromPin(settings, u32, bytes(anySettings.info.valueSize)))
      this.#members = this.use(BpfMap.fromPin(join(directory, 'members'), bytes(8), u64))
      const pods = join(directory, 'pods')
      using anyPods = AnyMap.openPin(pods)
      this.#enrolled = this.use(BpfMap.fromPin(pods, u64, bytes(anyPods.info.valueSize)))
      this.scan = this.use(IterLink.fromPin(join(directory, 'scan')))
      this.survey = this.use(IterLink.fromPin(join(directory, 'survey')))
      this.kick = iteratorPin(join(directory, 'kick'))
      this.reset = holdsPins(directory, ['reset'])
        ? this.use(IterLink.fromPin(join(directory, 'reset')))
        : undefined
    } catch (error) {
      this[Symbol.dispose]()
      throw error
    }
  }

  /** Returns whether redirecting was on. */
  stopRedirecting(): boolean {
    const value = this.#settings.lookup(0) ?? new Uint8Array()
    const wasOn = value.subarray(0, u32.size).some((byte) => byte !== 0)
    value.fill(0, 0, u32.size)
    this.#settings.update(0, value)
    return wasOn
  }

  get hasPods(): boolean {
    return this.#enrolled.keys().next().done !== true
  }

  /** Removes all pods from the map. */
  withdrawAll(): void {
    for (const cookie of this.#enrolled.keys()) this.#enrolled.delete(cookie)
  }

  /** Sockets in the sockhash. */
  countMembers(): number {
    let count = 0
    for (const _ of this.#members.keys()) count++
    return count
  }

  /** Has `dispose` dispose of the resource, too. */
  protected use<T extends Disposable>(resource: T): T {
    return this.#stack.use(resource)
  }

  [Symbol.dispose](): void {
    this.#stack[Symbol.dispose]()
  }
}

/** The pins of this version. `dispose` closes them and leaves the kernel's objects. */
export class Programs extends Pins {
  readonly config: BpfMap<number, ConfigRecord>
  readonly pods: BpfMap<bigint, PodRecord>
  readonly counters: BpfMap<number, CountersRecord>
  readonly gauge: BpfMap<number, GaugeRecord>
  readonly quarantine: BpfMap<ProgramRecord, QuarantineRecord>
  readonly events: AnyMap
  readonly ends: AnyMap
  readonly conns: AnyMap
  readonly flows: IterLink
  /** The position where the next run of the flow table's iterator continues. */
  readonly cursor: BpfMap<number, CursorRecord>
  /** Has the wanted ends of the caller's network namespace join. If undefined, `visitAll` is set. */
  readonly visit: Program | undefined
  /** Has all wanted ends join. */
  readonly visitAll: IterLink | undefined
  readonly spliceProgram: Program
  readonly ioctlProgram: Program
  readonly directory: string
  readonly sightWatched: IterLink
  /** Paths of pins, like `kick`. */
  readonly sight: string
  readonly adopt: string
  readonly unwatched: string

  constructor(directory: string) {
    super(directory)
    try {
      this.config = this.use(meshaccelConfigMap.fromPin(join(directory, 'config')))
      this.pods = this.use(meshaccelPodsMap.fromPin(join(directory, 'pods')))
      this.counters = this.use(meshaccelCountersMap.fromPin(join(directory, 'counters')))
      this.gauge = this.use(meshaccelGaugeMap.fromPin(join(directory, 'gauge')))
      this.quarantine = this.use(meshaccelQuarantineMap.fromPin(join(directory, 'quarantine')))
      this.events = this.use(AnyMap.openPin(join(directory, 'events')))
      this.ends = this.use(AnyMap.openPin(join(directory, 'ends')))
      this.conns = this.use(AnyMap.openPin(join(directory, 'conns')))
      this.directory = directory
      this.flows = this.use(IterLink.fromPin(join(directory, 'flows')))
      this.cursor = this.use(meshaccelCursorMap.fromPin(join(directory, 'cursor')))
      const isForAll = holdsPins(directory, ['visit_all'])
      this.visitAll = isForAll
        ? this.use(IterLink.fromPin(join(directory, 'visit_all')))
        : undefined
      this.visit = isForAll ? undefined : this.use(Program.fromPin(join(directory, 'visit')))
      this.spliceProgram = this.use(Program.fromPin(join(directory, 'splice_program')))
      this.ioctlProgram = this.use(Program.fromPin(join(directory, 'ioctl_program')))
      this.sightWatched = this.use(IterLink.fromPin(join(directory, 'sight_watched')))
      this.sight = iteratorPin(join(directory, 'sight'))
      this.adopt = iteratorPin(join(directory, 'adopt'))
      this.unwatched = iteratorPin(join(directory, 'unwatched'))
    } catch (error) {
      this[Symbol.dispose]()
      throw error
    }
  }
}

/** Returns the path of a pinned iterator. Throws if it is not one. */
function iteratorPin(path: string): string {
  IterLink.fromPin(path)[Symbol.dispose]()
  return path
}

/** The directory of pins that belongs to this version: to its object, and to what it makes of it. */
export function currentPins(pinDir: string): string {
  const hash = createHash('sha256').update(readObject()).update(EVERY_PIN.join())
  return join(pinDir, hash.digest('hex').slice(0, 16))
}

/** Whether the directory holds all pins that an agent needs to adopt it. */
export function isComplete(directory: string): boolean {
  const visits = Object.keys(VISITS)
  const alternatives = [...WATCHES, ...RECEIVES, ...visits]
  return (
    holdsPins(
      directory,
      EVERY_PIN.filter((name) => !alternatives.includes(name)),
    ) && [RECEIVES, visits].every((one) => one.some((name) => holdsPins(directory, [name])))
  )
}

export interface InstallPlace {
  readonly pinDir: string
  readonly cgroupPath: string
  /** The BTF file or folder that the user named. */
  readonly btf?: string | undefined
}

/**
 * Loads, attaches and pins everything, or nothing, in PIN/partial, and returns that path. `prepare` gets the maps
 * before anything is attached. While no pod is enrolled, this does not affect the connections of another version.
 */
export function install(
  { pinDir, cgroupPath, btf }: InstallPlace,
  prepare: (config: BpfMap<number, ConfigRecord>) => void,
): string {
  const partial = makePartial(pinDir)
  try {
    using stack = new Disposables()
    const object = stack.use(loadDataPath(kernelTypes(btf)))
    const map = (name: string): AnyMap => object.anyMap(`meshaccel_${name}`)
    for (const name of pinnedMaps) map(name).pin(join(partial, name))
    const config = meshaccelConfigMap.of(object)
    prepare(config)
    const watchesFionread = config.lookup(0)?.fionreadHides !== 0

    for (const [name, over] of Object.entries(ITERATORS)) {
      const target = over === 'once' ? { tid: ANY_TASK } : undefined
      stack.use(object.program(`meshaccel_${name}`).attachIter(target)).pin(join(partial, name))
    }
    for (const [name, source] of Object.entries(ON_DEMAND)) {
      object.program(source).pin(join(partial, name))
    }
    if (object.isLoaded(VISITS.visit)) {
      object.program(VISITS.visit).pin(join(partial, 'visit'))
    } else {
      const visits = object.program(VISITS.visit_all).attachIter(map('ends'))
      stack.use(visits).pin(join(partial, 'visit_all'))
    }
    for (const [name, attach] of Object.entries(ATTACHMENTS)) {
      if (name === 'splice_call' && existsSync(join(partial, 'splice'))) continue
      if (FIONREAD_WATCH.includes(name) && !watchesFionread) continue
      const attachment = attach(object, cgroupPath)
      if (attachment) stack.use(attachment).pin(join(partial, name))
    }
    return partial
  } catch (error) {
    removePartial(pinDir)
    throw error
  }
}

function readObject(): Buffer {
  try {
    return readFileSync(OBJECT_PATH)
  } catch (cause) {
    throw new MeshaccelError('the BPF object is missing', {
      code: 'ENOENT',
      operation: `read ${OBJECT_PATH}`,
      hint: 'Build it with `npm run setup`.',
      cause,
    })
  }
}
