/** The objects that the data path holds at one moment, read from its maps. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { connStateNames } from '../../../src/datapath/generated-names.ts'
import { config } from '../../../src/datapath/maps/generated.ts'
import { AnyMap, BpfMap, type Codec, structLayout, u32, u64 } from 'libbpf'
import type { Mesh } from '../../helpers/mesh.ts'

type Place = Pick<Mesh, 'cli' | 'pinDir'>

/** An end of a connection whose slot is taken. */
export interface HeldEnd {
  readonly slot: number
  readonly role: number
  readonly sk: bigint
  readonly member: boolean
}

export interface Held {
  /** Slots that are not free, by the state of their connection. */
  readonly states: Readonly<Record<string, number>>
  /** Identities that at least one end claims. */
  readonly claims: number
  readonly members: number
  /** Entries of the splice watch: `ADDRESS SLOT/ROLE`. */
  readonly watched: readonly string[]
  /** The ends in taken slots. */
  readonly ends: readonly HeldEnd[]
  /** Slots that are charged to any pod. */
  readonly charged: number
  /** Kernel memory for messages that is charged to any pod. */
  readonly chargedBytes: number
}

/** The current version, not one that is leaving. */
function version({ pinDir }: Place): string {
  const [name] = readdirSync(pinDir).filter((each) => /^[0-9a-f]+$/.test(each))
  if (name === undefined) throw new Error(`nothing is pinned in ${pinDir}`)
  return join(pinDir, name)
}

function bytes(size: number): Codec<DataView> {
  return {
    size,
    align: 1,
    encode: () => {
      throw new Error('it is only read')
    },
    decode: (view, offset) => new DataView(view.buffer.slice(offset, offset + size)),
  }
}

function open<K>(place: Place, name: string, key: Codec<K>): BpfMap<K, DataView> {
  const path = join(version(place), name)
  using any = AnyMap.openPin(path)
  return BpfMap.fromPin(path, key, bytes(any.info.valueSize))
}

function entriesOf(place: Place, name: string): number {
  using map = open(place, name, u64)
  return [...map.keys()].length
}

interface TakenSlot {
  readonly slot: number
  /** conn->life */
  readonly life: number
  readonly conn: DataView
}

function takenSlots(place: Place): TakenSlot[] {
  using conns = open(place, 'conns', u32)
  using settings = BpfMap.fromPin(join(version(place), 'config'), u32, config)
  const { at } = layoutOf(place, 'conn')
  const taken: TakenSlot[] = []
  for (let slot = 0; slot < (settings.lookup(0)?.slotsUsed ?? 0); slot++) {
    const conn = conns.lookup(slot)
    const life = conn?.getUint32(at('life'), true) ?? 0
    if (conn && stateIn(life) !== 0) taken.push({ slot, life, conn })
  }
  return taken
}

/** The same as state_in() of bpf/include/conn.bpf.h. */
const stateIn = (life: number): number => life & 0xff

/** Reads every map. An entry that moves meanwhile may appear twice or not at all. */
export function heldBy(place: Place): Held {
  using sockets = open(place, 'sockets', u64)
  using shares = open(place, 'shares', u64)
  const conn = layoutOf(place, 'conn')
  const end = layoutOf(place, 'conn_end')
  const share = layoutOf(place, 'share')
  const states: Record<string, number> = {}
  const ends: HeldEnd[] = []
  for (const { slot, life, conn: value } of takenSlots(place)) {
    const state = stateIn(life)
    const name = connStateNames[state] ?? String(state)
    states[name] = (states[name] ?? 0) + 1
    for (const role of [0, 1]) {
      const at = conn.at('ends') + role * end.size
      ends.push({
        slot,
        role,
        sk: value.getBigUint64(at + end.at('sk'), true),
        member: value.getUint8(at + end.at('member')) === 1,
      })
    }
  }
  const watched = [...sockets.entries()].map(
    ([sk, member]) =>
      `${sk.toString(16)} ${member.getUint32(0, true)}/${member.getUint32(4, true)}`,
  )
  return {
    states,
    ends,
    watched,
    claims: entriesOf(place, 'identities'),
    members: entriesOf(place, 'members'),
    charged: shares.lookup(0n)?.getInt32(share.at('slots'), true) ?? 0,
    chargedBytes: Number(shares.lookup(0n)?.getBigInt64(share.at('bytes'), true) ?? 0n),
  }
}

/** Reports the first taken slots and the number of scans, for a failed test. */
export function describeHeld(place: Place): string {
  using settings = BpfMap.fromPin(join(version(place), 'config'), u32, config)
  const { scan, sweep } = settings.lookup(0) ?? {}
  const conn = layoutOf(place, 'conn')
  const end = layoutOf(place, 'conn_end')
  const slots = takenSlots(place)
    .slice(0, 3)
    .map(({ slot, life, conn: value }) => ({
      slot,
      life,
      attention: value.getUint32(conn.at('attention'), true),
      kick: value.getUint32(conn.at('kick'), true),
      doomed: value.getUint16(conn.at('doomed'), true),
      scanned: value.getUint32(conn.at('scanned'), true),
      ends: [0, 1].map((role) => {
        const at = conn.at('ends') + role * end.size
        const number = (name: string): string =>
          value.getBigUint64(at + end.at(name), true).toString(16)
        return {
          sk: number('sk'),
          cookie: number('cookie'),
          closed: number('closed'),
          member: value.getUint8(at + end.at('member')),
        }
      }),
    }))
  return JSON.stringify({ scan, sweep, slots })
}

/** Members that no splice watch covers, and watch entries without a member. */
export function unwatched({ ends, watched }: Held): { missing: string[]; foreign: string[] } {
  const wanted = ends
    .filter(({ member }) => member)
    .map(({ sk, slot, role }) => `${sk.toString(16)} ${slot}/${role}`)
  return {
    missing: wanted.filter((each) => !watched.includes(each)),
    foreign: watched.filter((each) => !wanted.includes(each)),
  }
}

/** Slots that the next scan will look at. */
export function attended(place: Place): number {
  using conns = open(place, 'conns', u32)
  using settings = BpfMap.fromPin(join(version(place), 'config'), u32, config)
  const conn = layoutOf(place, 'conn')
  let count = 0
  for (let slot = 0; slot < (settings.lookup(0)?.slotsUsed ?? 0); slot++) {
    if (conns.lookup(slot)?.getUint32(conn.at('attention'), true)) count += 1
  }
  return count
}

/** KiB of the slab that redirected messages come from, for the whole node. Before Linux 6.3 TCP's packets come from it, too. */
export function messageKiB(): number {
  const match = /^kmalloc-1k +(\d+) +\d+ +(\d+)/m.exec(slabInfo())
  return (Number(match?.[1] ?? 0) * Number(match?.[2] ?? 0)) / 1024
}

/** Whether TCP's packets come from another slab than redirected messages. */
export const packetsHaveOwnSlab = (): boolean => /^skbuff_small_head /m.test(slabInfo())

const slabInfo = (): string => readFileSync('/proc/slabinfo', 'utf8')

function layoutOf({ cli }: Place, name: string): { size: number; at: (member: string) => number } {
  const { size, members } = structLayout(objectOf(cli), name)
  return {
    size,
    at: (member) => {
      const found = members[member]
      if (found === undefined) throw new Error(`struct ${name} has no member ${member}`)
      return found.offset
    },
  }
}

/** The object that a command loads from its own package. */
function objectOf(cli: string): string {
  for (let directory = dirname(cli); ; directory = dirname(directory)) {
    const object = join(directory, 'build/bpf/meshaccel.bpf.o')
    if (existsSync(object)) return object
    if (directory === dirname(directory)) throw new Error(`no object above ${cli}`)
  }
}
