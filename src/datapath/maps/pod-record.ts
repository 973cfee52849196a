/** The record of a pod in the maps. */

import { isIPv4 } from 'node:net'
import { maxRules } from '../../pods/exclusions.ts'
import type { PodNetns } from '../datapath.ts'
import type { CidrRecord, PodRecord } from './generated.ts'
import { AF_INET, AF_INET6 } from './layout.ts'

/** (gid_t)-1, which no process has. */
const NO_GID = 0xffffffff

/** Pure. Throws a RangeError if there are more rules than fit; every source refuses those before. */
export function podRecord({
  proxyUid,
  proxyGid = NO_GID,
  blockingReaders,
  exclusions: { ports, cidrs, uids } = { ports: [], cidrs: [], uids: [] },
}: Pick<PodNetns, 'proxyUid' | 'proxyGid' | 'blockingReaders' | 'exclusions'>): PodRecord {
  return {
    enabled: 1,
    proxyUid,
    proxyGid,
    blockingReaders: blockingReaders === 'accelerate' ? 1 : 0,
    portRules: ports.length,
    cidrRules: cidrs.length,
    uidRules: uids.length,
    ports: filled(ports, { from: 0, to: 0 }),
    cidrs: filled(cidrs.map(cidrRecord), noCidr),
    uids: filled(uids, 0),
  }
}

/** Whether the pod excludes anything. */
export function hasRules(record: Pick<PodRecord, 'portRules' | 'cidrRules' | 'uidRules'>): boolean {
  return record.portRules + record.cidrRules + record.uidRules > 0
}

const noCidr: CidrRecord = { family: 0, address: new Uint8Array(16), mask: new Uint8Array(16) }

function filled<Rule>(rules: readonly Rule[], none: Rule): Rule[] {
  if (rules.length > maxRules) throw new RangeError(`${rules.length} rules, at most ${maxRules}`)
  return Array.from({ length: maxRules }, (_, index) => rules[index] ?? none)
}

/**
 * An IPv4-mapped network (`::ffff:10.0.0.0/104`) becomes an IPv4 one, because the addresses that it matches are IPv4,
 * too.
 */
function cidrRecord(cidr: string): CidrRecord {
  const [address = '', length] = cidr.split('/')
  let bits = Number(length)
  let family = isIPv4(address) ? AF_INET : AF_INET6
  let bytes = family === AF_INET ? address.split('.').map(Number) : ipv6Bytes(address)
  if (bits >= 96 && bytes.slice(0, 12).every((byte, index) => byte === (index < 10 ? 0 : 0xff))) {
    family = AF_INET
    bytes = bytes.slice(12)
    bits -= 96
  }
  const mask = bytes.map((_, index) => maskByte(bits - 8 * index))
  return {
    family,
    address: Uint8Array.from(bytes, (byte, index) => byte & (mask[index] ?? 0)),
    mask: Uint8Array.from(mask),
  }
}

/** A byte with `bits` leading ones; `bits` is clamped to 0..8. */
function maskByte(bits: number): number {
  return (0xff00 >> Math.max(0, Math.min(8, bits))) & 0xff
}

function ipv6Bytes(address: string): number[] {
  // The URL parser writes an IPv6 address with hexadecimal groups only.
  const { hostname } = new URL(`http://[${address}]/`)
  const [before = [], after = []] = hostname
    .slice(1, -1)
    .split('::')
    .map((part) => part.split(':').filter(Boolean))
  const zeroes = Array.from({ length: 8 - before.length - after.length }, () => '0')
  return [...before, ...zeroes, ...after].flatMap((group) => {
    const value = Number.parseInt(group, 16)
    return [value >> 8, value & 0xff]
  })
}
