/** Users' rules that keep connections of a pod on TCP, and their syntax. */

import { isIPv4, isIPv6 } from 'node:net'

/** A connection that matches any rule is excluded. bpf/include/exclude.bpf.h says what each rule compares. */
export interface Exclusions {
  /** The port that the client dialled, or that the server listens on. */
  readonly ports: readonly PortRange[]
  /** Remote addresses: `10.0.0.0/8`, `fd00::/8`. */
  readonly cidrs: readonly string[]
  /** The uid that opened or accepted the pod's socket. */
  readonly uids: readonly number[]
}

/** Both bounds are inclusive. */
export interface PortRange {
  readonly from: number
  readonly to: number
}

/** The maximum number of rules of each kind for a pod: MAX_RULES of bpf/include/meshaccel.h. */
export const maxRules = 32

const maxPort = 65_535
/** The highest uid. The next value is (uid_t)-1, which the kernel takes for "none". */
export const maxUid = 0xffff_fffe

/** The syntax of one kind of rule. */
export interface RuleKind<Rule> {
  /** The kind's name in messages. */
  readonly what: string
  /** Returns undefined if the text is not a rule of this kind. */
  readonly parse: (text: string) => Rule | undefined
}

export const portRule: RuleKind<PortRange> = {
  what: 'a port or a range of ports',
  parse(text) {
    const [first = '', last = first, ...more] = text.split('-')
    const from = parseInteger(first, 1, maxPort)
    const to = parseInteger(last, 1, maxPort)
    if (from === undefined || to === undefined || from > to || more.length > 0) return undefined
    return { from, to }
  },
}

/** A single address is a CIDR with one address. */
export const cidrRule: RuleKind<string> = {
  what: 'an address or a CIDR',
  parse(text) {
    const [address = '', prefix, ...more] = text.split('/')
    const bits = isIPv4(address) ? 32 : isIPv6(address) && !address.includes('%') ? 128 : undefined
    if (bits === undefined || more.length > 0) return undefined
    const length = prefix === undefined ? bits : parseInteger(prefix, 0, bits)
    return length === undefined ? undefined : `${address}/${length}`
  },
}

export const uidRule: RuleKind<number> = {
  what: 'a uid',
  parse: (text) => parseInteger(text, 0, maxUid),
}

function parseInteger(text: string, low: number, high: number): number | undefined {
  if (!/^\d{1,10}$/.test(text)) return undefined
  const value = Number(text)
  return value >= low && value <= high ? value : undefined
}

/**
 * The union of both. A rule of either keeps a connection on TCP. The result may have more than `maxRules` of a kind.
 */
export function union(one: Exclusions, other: Exclusions): Exclusions {
  const ports = new Map(
    [...one.ports, ...other.ports].map((range) => [`${range.from}-${range.to}`, range] as const),
  )
  return {
    ports: [...ports.values()],
    cidrs: [...new Set([...one.cidrs, ...other.cidrs])],
    uids: [...new Set([...one.uids, ...other.uids])],
  }
}

/** Returns undefined if there is no rule. */
export function nonEmpty(exclusions: Exclusions): Exclusions | undefined {
  return Object.values(exclusions).some((rules) => rules.length > 0) ? exclusions : undefined
}
