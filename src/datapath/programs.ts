/**
 * The programs, maps and links of the data path, pinned as one directory of bpffs:
 *
 *     PIN/<hash of the object>/{config,pods,...,watch,verdict,...,scan,...}
 *
 * Everything is attached and pinned in PIN/new, which one rename puts into place, so that a directory with a hash is
 * always complete. A successor with the same object adopts it; links of iterators are pinned too, so that another
 * version, or `cleanup` without an agent, can drain what it finds by running them.
 */

import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmdirSync,
  unlinkSync,
} from 'node:fs'
import { join } from 'node:path'
import { MeshaccelError } from '../errors.ts'
import {
  AnyMap,
  BpfError,
  BpfMap,
  BpfObject,
  bytes,
  hasKernelBtf,
  IterLink,
  openFd,
  tryLock,
  u32,
  u64,
} from '../libbpf/index.ts'
import type { Attachment, LoadedObject, OpenObject, Program } from '../libbpf/index.ts'
import { packageRoot } from '../package.ts'
import {
  config,
  type ConfigRecord,
  counters,
  type CountersRecord,
  gauge,
  type GaugeRecord,
  pod,
  type PodRecord,
  program,
  type ProgramRecord,
  quarantine,
  type QuarantineRecord,
} from './layout.ts'

const OBJECT_PATH = join(packageRoot, 'build/bpf/meshaccel.bpf.o')
const NEW = 'new'
/** The name of a complete one. */
const HASH = /^[0-9a-f]{16}$/

/** Iterators, and the map that each walks over; those over TCP sockets walk over a network namespace. */
const ITERATORS = {
  scan: 'meshaccel_wanted',
  survey: 'meshaccel_ends',
  flows: 'meshaccel_ends',
  sight: undefined,
  adopt: undefined,
  kick: undefined,
} as const
const MAPS = ['config', 'members', 'pods', 'counters', 'gauge', 'quarantine', 'events'] as const

/**
 * What is the same in every version's pins, so that any agent and `cleanup` can drain what they find: the settings begin
 * with `__u32 redirect`; the sockhash holds the members; the iterators move connections on, and `scan` writes the netns
 * cookies of the sockets that `kick` is to wake.
 */
export class Pins implements Disposable {
  readonly #stack = new DisposableStackLike()
  readonly #settings: BpfMap<number, Uint8Array>
  readonly #members: BpfMap<Uint8Array, bigint>
  readonly scan: IterLink
  readonly survey: IterLink
  readonly kick: IterLink

  /** Opens a complete directory of pins. */
  constructor(directory: string) {
    try {
      const settings = join(directory, 'config')
      using anySettings = AnyMap.openPin(settings)
      this.#settings = this.use(BpfMap.fromPin(settings, u32, bytes(anySettings.info.valueSize)))
      this.#members = this.use(BpfMap.fromPin(join(directory, 'members'), bytes(8), u64))
      this.scan = this.use(IterLink.fromPin(join(directory, 'scan')))
      this.survey = this.use(IterLink.fromPin(join(directory, 'survey')))
      this.kick = this.use(IterLink.fromPin(join(directory, 'kick')))
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

  /** Sockets in the sockhash. */
  countMembers(): number {
    let count = 0
    for (const _ of this.#members.keys()) count++
    return count
  }

  /** Disposes of the resource together with the pins. */
  protected use<T extends Disposable>(resource: T): T {
    return this.#stack.use(resource)
  }

  [Symbol.dispose](): void {
    this.#stack[Symbol.dispose]()
  }
}

/** The pins of this version. Disposing of them leaves the kernel's side. */
export class Programs extends Pins {
  readonly config: BpfMap<number, ConfigRecord>
  readonly pods: BpfMap<bigint, PodRecord>
  readonly counters: BpfMap<number, CountersRecord>
  readonly gauge: BpfMap<number, GaugeRecord>
  readonly quarantine: BpfMap<ProgramRecord, QuarantineRecord>
  readonly events: AnyMap
  readonly flows: IterLink
  readonly sight: IterLink
  readonly adopt: IterLink

  constructor(directory: string) {
    super(directory)
    try {
      this.config = this.use(BpfMap.fromPin(join(directory, 'config'), u32, config))
      this.pods = this.use(BpfMap.fromPin(join(directory, 'pods'), u64, pod))
      this.counters = this.use(BpfMap.fromPin(join(directory, 'counters'), u32, counters))
      this.gauge = this.use(BpfMap.fromPin(join(directory, 'gauge'), u32, gauge))
      this.quarantine = this.use(BpfMap.fromPin(join(directory, 'quarantine'), program, quarantine))
      this.events = this.use(AnyMap.openPin(join(directory, 'events')))
      this.flows = this.use(IterLink.fromPin(join(directory, 'flows')))
      this.sight = this.use(IterLink.fromPin(join(directory, 'sight')))
      this.adopt = this.use(IterLink.fromPin(join(directory, 'adopt')))
    } catch (error) {
      this[Symbol.dispose]()
      throw error
    }
  }
}

/** Disposes of what was used, last first; Node 20 has no DisposableStack. */
class DisposableStackLike implements Disposable {
  readonly #resources: Disposable[] = []

  use = <T extends Disposable>(resource: T): T => {
    this.#resources.push(resource)
    return resource
  };

  [Symbol.dispose](): void {
    for (const resource of this.#resources.splice(0).toReversed()) resource[Symbol.dispose]()
  }
}

/**
 * Makes the directory of the pins if need be and takes the right to work on it, until disposed of: two agents on the
 * same maps would move the same connections at once. Throws AGENT_RUNNING when somebody else has it.
 */
export function lockPins(pinDir: string): Disposable {
  mkdirSync(pinDir, { recursive: true, mode: 0o700 })
  const directory = openFd(pinDir)
  if (tryLock(directory)) return directory
  directory[Symbol.dispose]()
  throw new MeshaccelError('another meshaccel agent uses it', {
    code: 'AGENT_RUNNING',
    operation: `take the pins in ${pinDir}`,
    hint: 'Stop that agent first, or give this one its own --pin.',
  })
}

/** The directory of pins that belongs to this version's object. */
export function currentPins(pinDir: string): string {
  return join(pinDir, objectHash())
}

/** Complete directories of pins: of this version and of others. What else is there is not ours. */
export function pinnedVersions(pinDir: string): string[] {
  return listDirectory(pinDir)
    .filter((name) => HASH.test(name))
    .map((name) => join(pinDir, name))
}

/** Loads, attaches and pins everything, or nothing. `prepare` sees the maps before anything is attached. */
export function install(
  pinDir: string,
  cgroupPath: string,
  prepare: (config: BpfMap<number, ConfigRecord>) => void,
): void {
  const staging = join(pinDir, NEW)
  removePins(staging)
  mkdirSync(staging, { recursive: true, mode: 0o700 })
  try {
    using stack = new DisposableStackLike()
    using open = BpfObject.open(OBJECT_PATH)
    const object = stack.use(load(open))
    const map = (name: string): AnyMap => object.anyMap(`meshaccel_${name}`)
    for (const name of MAPS) map(name).pin(join(staging, name))
    prepare(object.map('meshaccel_config', u32, config))

    for (const [name, over] of Object.entries(ITERATORS)) {
      const target = over === undefined ? undefined : object.anyMap(over)
      stack.use(object.program(`meshaccel_${name}`).attachIter(target)).pin(join(staging, name))
    }
    // Readers are accounted for before the first connection is watched, and sockets watched before any may join.
    const attach = (name: string, how: (program: Program) => Attachment): void =>
      stack.use(how(object.program(`meshaccel_${name}`))).pin(join(staging, name))
    attach('received', (received) => received.attachTracing())
    attach('closed', (closed) => closed.attachTracing())
    const spliceWatch = watchSplice(object)
    if (spliceWatch) stack.use(spliceWatch).pin(join(staging, 'splice'))
    attach('verdict', (verdict) => verdict.attachSkMsg(map('members'), 'link'))
    attach('watch', (watch) => watch.attachCgroup(cgroupPath))
    renameSync(staging, currentPins(pinDir))
  } catch (error) {
    removePins(staging)
    throw error
  }
}

/** Attaches the cheapest splice watch that the kernel has; without one the self-test allows only what sidecars read. */
function watchSplice(object: LoadedObject): Attachment | undefined {
  try {
    return object.program('meshaccel_splice').attachKprobe('tcp_splice_read')
  } catch (error) {
    if (!(error instanceof BpfError)) throw error
  }
  try {
    const call = object.program('meshaccel_splice_call')
    return call.attachTracepoint('syscalls', 'sys_enter_splice')
  } catch (error) {
    if (error instanceof BpfError && error.code === 'ENOENT') return undefined
    throw error
  }
}

/** The kernel is asked by loading: it knows best what it lacks. */
function load(object: OpenObject): LoadedObject {
  try {
    return object.load()
  } catch (cause) {
    throw new MeshaccelError(cause instanceof Error ? cause.message : String(cause), {
      code: 'KERNEL_REFUSED',
      operation: 'load the data path',
      hint: hasKernelBtf()
        ? 'meshaccel needs Linux 6.3 or newer, and CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN.'
        : 'This kernel has no BTF (/sys/kernel/btf/vmlinux): it needs CONFIG_DEBUG_INFO_BTF.',
      cause,
    })
  }
}

/** Unpins a version, its attachments first, and so removes it from the kernel. Idempotent. */
export function removePins(directory: string): void {
  const names = listDirectory(directory)
  const first = ['watch', 'verdict', 'splice', 'received', 'closed']
  const order = [
    ...first.filter((name) => names.includes(name)),
    ...names.filter((name) => !first.includes(name)),
  ]
  for (const name of order) unlinkSync(join(directory, name))
  if (existsSync(directory)) rmdirSync(directory)
}

/** Removes the directory above the versions, if it is empty. */
export function removePinDirectory(pinDir: string): void {
  removePins(join(pinDir, NEW))
  if (existsSync(pinDir) && listDirectory(pinDir).length === 0) rmdirSync(pinDir)
}

function listDirectory(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : []
}

function objectHash(): string {
  let object
  try {
    object = readFileSync(OBJECT_PATH)
  } catch (cause) {
    throw new MeshaccelError('the BPF object is missing', {
      code: 'ENOENT',
      operation: `read ${OBJECT_PATH}`,
      hint: 'Build it with `npm run setup`.',
      cause,
    })
  }
  return createHash('sha256').update(object).digest('hex').slice(0, 16)
}
