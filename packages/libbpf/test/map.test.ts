import { join } from 'node:path'
import tap from 'tap'
import {
  AnyMap,
  array,
  BpfMap,
  i32,
  possibleCpus,
  struct,
  structLayout,
  text,
  u16,
  u32,
  u64,
  u8,
} from '../src/index.ts'
import { requireRoot } from './requirements.ts'
import { compileFixture, loadWith, openWith, pinDirectory } from './fixture.ts'

const entry = struct({
  bytes: u64,
  count: u32,
  family: u8,
  inner: struct({ port: u16, flags: u8 }),
  v6: array(u32, 4),
  comm: text(16),
})
const sample = {
  bytes: 1n << 60n,
  count: 3,
  family: 10,
  inner: { port: 443, flags: 1 },
  v6: [1, 2, 3, 4],
  comm: 'envoy',
}

if (requireRoot(tap)) {
  const basics = compileFixture(tap, 'basics')

  void tap.test('a codec lies in memory as the C struct does', async (t) => {
    using object = loadWith(basics)
    const { size, members } = structLayout(object, 'entry')
    t.equal(entry.size, size)
    const { v4, ...others } = members
    t.strictSame(
      v4,
      { offset: members['v6']?.offset, size: 4 },
      'an anonymous union is its struct’s',
    )
    t.strictSame(entry.members, others)
    t.strictSame(structLayout(basics, 'entry'), structLayout(object, 'entry'), 'from the file too')
    t.strictSame(object.btf.enumValues('reason'), {
      REASON_NONE: 0,
      REASON_CAP: 1,
      REASON_STATE: 7,
    })
    t.throws(() => structLayout(object, 'nothing'), { code: 'NO_SUCH_TYPE' })
    t.equal(structLayout('/sys/kernel/btf/vmlinux', 'list_head').size, 16, 'of the kernel')
  })

  void tap.test('elements of a hash', async (t) => {
    using object = loadWith(basics)
    using map = object.map('entries', u32, entry)
    t.equal(map.lookup(1), undefined)
    map.update(1, sample)
    t.strictSame(map.lookup(1), sample)
    t.throws(() => map.update(1, sample, 'absent'), {
      code: 'EEXIST',
      errno: 17,
      message: 'update map entries: EEXIST: File exists',
    })
    t.throws(() => map.update(2, sample, 'present'), { code: 'ENOENT' })
    t.ok(map.delete(1))
    t.notOk(map.delete(1), 'nothing to delete is no error')
    for (let key = 0; key < 64; key++) map.update(key, { ...sample, count: key })
    t.throws(() => map.update(64, sample), { code: 'E2BIG', hint: /full/ })
    t.same(new Set(map.keys()), new Set(Array.from({ length: 64 }, (_, key) => key)))
    for (const [key, value] of map.entries()) {
      if (value.count !== key) t.fail(`key ${key} has the value of ${value.count}`)
      if (key % 2 === 0) map.delete(key)
    }
    t.equal([...map.keys()].length, 32, 'deleting while walking meets every key once')
    for (const key of map.keys()) map.delete(key)
    t.strictSame([...map.entries()], [])
    t.throws(() => map.lookupPerCpu(1), { code: 'MAP_TYPE', hint: 'Use lookup.' })
  })

  void tap.test('one value for each CPU', async (t) => {
    using object = loadWith(basics, 'tick')
    using map = object.map('counters', u32, u32)
    const cpus = possibleCpus()
    t.strictSame(map.lookupPerCpu(0), Array(cpus).fill(0))
    map.update(1, 0xffffffff)
    t.strictSame(map.lookupPerCpu(1), Array(cpus).fill(0xffffffff))
    for (let run = 0; run < 10; run++) object.program('tick').run(new Uint8Array(8))
    const total = map.lookupPerCpu(0)?.reduce((sum, count) => sum + count, 0)
    t.equal(total, 10)
    t.equal(map.lookupPerCpu(4), undefined, 'beyond the array')
    t.throws(() => map.lookup(0), { code: 'MAP_TYPE' })
    t.strictSame([...map.keys()], [0, 1, 2, 3])
  })

  void tap.test('the codec must have the sizes of the map', async (t) => {
    using object = loadWith(basics)
    t.throws(() => object.map('entries', u64, entry), {
      code: 'LAYOUT',
      message: "open map entries: its keys have 4 bytes, the codec's have 8",
    })
    t.throws(() => object.map('entries', u32, u32), { code: 'LAYOUT' })
  })

  void tap.test('a pinned map outlives its object', async (t) => {
    const path = join(pinDirectory(t), 'entries')
    {
      using object = loadWith(basics)
      using map = object.map('entries', u32, entry)
      map.pin(path)
      map.update(7, sample)
      t.throws(() => map.pin(path), { code: 'EEXIST' })
      t.throws(() => map.pin('/tmp/entries'), { code: 'EPERM', hint: /bpffs/ })
    }
    using map = BpfMap.fromPin(path, u32, entry)
    t.strictSame(map.lookup(7), sample)
    using any = AnyMap.openPin(path)
    t.equal(any.info.id, map.info.id)
    t.throws(() => BpfMap.fromPin(path, u64, entry), { code: 'LAYOUT' })
    map.unpin(path)
    map.unpin(path)
    t.strictSame(map.lookup(7), sample, 'the handle keeps it')
    t.throws(() => BpfMap.fromPin(path, u32, entry), {
      code: 'ENOENT',
      message: `open map pinned at ${path}: ENOENT: No such file or directory`,
    })
    map[Symbol.dispose]()
    map[Symbol.dispose]()
    t.throws(() => map.lookup(7), { code: 'DISPOSED' })
  })

  void tap.test('a map pinned by the load is taken over by the next load', async (t) => {
    const path = join(pinDirectory(t), 'entries')
    using first = openWith(basics)
    first.setPinPath('entries', path)
    using one = first.load()
    using second = openWith(basics)
    second.setPinPath('entries', path)
    using two = second.load()
    t.equal(one.anyMap('entries').info.id, two.anyMap('entries').info.id)
    using third = openWith(basics)
    third.setPinPath('entries', path)
    third.setMaxEntries('entries', 128)
    t.throws(() => third.load(), { code: 'EINVAL', log: /parameter mismatch/ })
  })

  void tap.test('what a map cannot do is an error with a name', async (t) => {
    using object = loadWith(basics)
    using sockets = object.map('sockets', u64, u64)
    t.throws(() => sockets.update(1n, 0n), { name: 'BpfError', operation: 'update map sockets' })
    using records = object.map('records', i32, u64)
    t.throws(() => records.lookup(-1), { code: 'EBADF', operation: 'look up in map records' })
  })
}
