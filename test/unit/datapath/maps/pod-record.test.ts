import { BlockList, isIPv4 } from 'node:net'
import { equal } from 'node:assert/strict'
import * as fc from 'fast-check'
import { test } from 'tap'
import { pod, type CidrRecord } from '../../../../src/datapath/maps/generated.ts'
import { AF_INET, AF_INET6 } from '../../../../src/datapath/maps/layout.ts'
import { podRecord } from '../../../../src/datapath/maps/pod-record.ts'
import { maxRules, type Exclusions } from '../../../../src/pods/exclusions.ts'

const none: Exclusions = { ports: [], cidrs: [], uids: [] }

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

function cidrOf(text: string): CidrRecord {
  const [first] = podRecord({ proxyUid: 0, exclusions: { ...none, cidrs: [text] } }).cidrs
  if (!first) throw new Error('there is no rule')
  return first
}

void test('a pod without rules has none', async (t) => {
  t.match(podRecord({ proxyUid: 7 }), {
    enabled: 1,
    proxyUid: 7,
    proxyGid: 0xffffffff,
    blockingReaders: 0,
    portRules: 0,
    cidrRules: 0,
    uidRules: 0,
  })
})

void test('as many rules as fit, and no more', async (t) => {
  const uids = Array.from({ length: maxRules }, (_, index) => index)
  const record = podRecord({
    proxyUid: 7,
    exclusions: { ports: [{ from: 1, to: 2 }], cidrs: ['10.0.0.0/8'], uids },
  })
  t.match(record, { portRules: 1, cidrRules: 1, uidRules: maxRules, uids })
  t.match(record.ports[0], { from: 1, to: 2 })
  const view = new DataView(new ArrayBuffer(pod.size))
  pod.encode(record, view, 0)
  t.match(pod.decode(view, 0), { uids, portRules: 1 })
  t.throws(
    () => podRecord({ proxyUid: 7, exclusions: { ...none, uids: [...uids, 99] } }),
    RangeError,
  )
})

void test('networks in bytes', async (t) => {
  const four = cidrOf('10.251.3.4/12')
  t.equal(four.family, AF_INET)
  t.equal(hex(four.address), '0af00000', 'bits behind the prefix do not count')
  t.equal(hex(four.mask), 'fff00000')
  const six = cidrOf('fd51:2::7:0:9/62')
  t.equal(six.family, AF_INET6)
  t.equal(hex(six.address), 'fd510002000000000000000000000000')
  t.equal(hex(six.mask), 'fffffffffffffffc0000000000000000')
  t.strictSame(cidrOf('::ffff:10.251.3.4/108'), four, 'IPv4 inside IPv6 is IPv4')
  t.match(cidrOf('::/0'), { family: AF_INET6 })
  t.match(cidrOf('0.0.0.0/0'), { family: AF_INET })
})

/** The comparison of bpf/include/exclude.bpf.h. */
function isWithin(address: string, { family, address: network, mask }: CidrRecord): boolean {
  const remote = cidrOf(`${address}/${isIPv4(address) ? 32 : 128}`)
  return (
    remote.family === family &&
    mask.every((bits, index) => ((remote.address[index] ?? 0) & bits) === network[index])
  )
}

void test('an address is in a network or not, as Node has it', async () => {
  const address = fc.oneof(fc.ipV4(), fc.ipV6())
  fc.assert(
    fc.property(address, address, fc.nat(128), fc.boolean(), (one, other, bits, near) => {
      const family = isIPv4(one) ? 'ipv4' : 'ipv6'
      const prefix = isIPv4(one) ? bits % 33 : bits
      const list = new BlockList()
      list.addSubnet(one, prefix, family)
      const asked = near ? one : other
      const expected = isIPv4(asked) === isIPv4(one) && list.check(asked, family)
      equal(isWithin(asked, cidrOf(`${one}/${prefix}`)), expected)
    }),
  )
})
