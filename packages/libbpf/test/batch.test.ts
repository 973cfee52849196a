import tap from 'tap'
import { type BpfMap, bytes, structLayout, u32, u64 } from '../src/index.ts'
import { requireRoot } from './requirements.ts'
import { compileFixture, loadWith, openWith } from './fixture.ts'

const sorted = (elements: Iterable<[number, bigint]>): [number, bigint][] =>
  [...elements].toSorted(([one], [other]) => one - other)

function callsOf(map: BpfMap<bigint, bigint>): (() => unknown)[] {
  return [
    () => [...map.lookupAndDeleteBatch()],
    () => map.updateBatch([[1n, 1n]]),
    () => map.deleteBatch([1n]),
  ]
}

if (requireRoot(tap)) {
  const batch = compileFixture(tap, 'batch')
  const numbers = Array.from({ length: 1000 }, (_, key): [number, bigint] => [
    key,
    BigInt(key) << 32n,
  ])
  void tap.test('a hash: write, read, take and delete many at a time', async (t) => {
    using object = loadWith(batch)
    using map = object.map('hash', u32, u64)
    map.updateBatch([])
    t.strictSame([...map.lookupBatch()], [], 'an empty map')
    map.updateBatch(numbers)
    t.strictSame(sorted(map.entries()), numbers)
    t.strictSame(sorted([...map.lookupBatch()].flat()), numbers)
    const pieces = [...map.lookupBatch(64)]
    t.ok(pieces.length > 10, `${pieces.length} pieces`)
    t.strictSame(sorted(pieces.flat()), numbers)
    t.strictSame(sorted([...map.lookupBatch(1)].flat()), numbers, 'pieces grow to hold a bucket')
    t.equal(map.deleteBatch(numbers.slice(0, 10).map(([key]) => key)), 10)
    t.equal(map.deleteBatch([10, 5, 11]), 1, 'stops at the first that is not there')
    t.equal(map.deleteBatch([]), 0)
    t.strictSame(sorted([...map.lookupAndDeleteBatch(100)].flat()), numbers.slice(11))
    t.strictSame([...map.keys()], [])
    t.throws(() => [...map.lookupBatch(0)], { name: 'RangeError' })
    map[Symbol.dispose]()
    t.throws(() => [...map.lookupBatch()], { code: 'DISPOSED' })
  })

  void tap.test('a map that is full tells how far it came', async (t) => {
    using open = openWith(batch)
    open.setMaxEntries('hash', 16)
    using object = open.load()
    using map = object.map('hash', u32, u64)
    t.throws(() => map.updateBatch(numbers), {
      code: 'E2BIG',
      message: /^update a batch of map hash: E2BIG: .*: after 16 elements$/,
      hint: /full/,
    })
    t.equal([...map.keys()].length, 16)
  })

  void tap.test('an array: read and write; it cannot be deleted from', async (t) => {
    using object = loadWith(batch)
    using map = object.map('array', u32, u64)
    map.updateBatch([
      [3, 30n],
      [1, 10n],
    ])
    t.strictSame([...map.lookupBatch(3)].flat(), [
      [0, 0n],
      [1, 10n],
      [2, 0n],
      [3, 30n],
    ])
    const refused = { code: 'ENOTSUPP', hint: /no such call in this kernel: use lookup/ }
    t.throws(() => map.deleteBatch([1]), {
      ...refused,
      message: 'delete a batch of map array: ENOTSUPP: Operation is not supported',
    })
    t.throws(() => [...map.lookupAndDeleteBatch()], refused)
  })

  void tap.test('kinds without batch calls', async (t) => {
    using object = loadWith(batch)
    using sockets = object.map('sockets', u64, u64)
    for (const call of callsOf(sockets)) {
      t.throws(call, { code: 'ENOTSUPP', hint: /no such call in this kernel/ })
    }
    using perCpu = object.map('per_cpu', u32, u64)
    const elements = { code: 'MAP_TYPE', hint: 'Use lookupPerCpu.' }
    t.throws(() => [...perCpu.lookupBatch()], elements)
    t.throws(() => perCpu.updateBatch([[1, 1n]]), elements)
  })

  void tap.test('structs, whose values are as large as the map says', async (t) => {
    const basics = compileFixture(t, 'basics')
    using object = loadWith(basics)
    const { size } = structLayout(object, 'entry')
    using map = object.map('entries', u32, bytes(size))
    const values = Array.from({ length: 20 }, (_, key) => new Uint8Array(size).fill(key))
    map.updateBatch(values.map((value, key) => [key, value]))
    const read = new Map([...map.lookupBatch(7)].flat())
    t.equal(read.size, 20)
    for (const [key, value] of values.entries()) t.strictSame(read.get(key), value)
  })
}
