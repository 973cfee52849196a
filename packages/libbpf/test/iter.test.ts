import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { bytes, IterLink, structLayout, u32, u64, withNetns } from '../src/index.ts'
import { requireRoot } from './requirements.ts'
import {
  compileFixture,
  loadWith,
  pinDirectory,
  refusesMapIterators,
  scratchCgroup,
} from './fixture.ts'

/** A TCP listener in this process; returns its port. */
async function listen(t: Test): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

/** The 16-bit numbers that `listeners` writes. */
function ports(output: Buffer): number[] {
  return Array.from({ length: output.length / 2 }, (_, index) => output.readUInt16LE(index * 2))
}

if (requireRoot(tap)) {
  const basics = compileFixture(tap, 'basics')
  const skip = refusesMapIterators(basics)

  void tap.test('socket storage that a sockops program made', { skip }, async (t) => {
    const cgroup = scratchCgroup(t)
    const home = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/'
    const root = join(cgroup, '..')
    writeFileSync(join(cgroup, 'cgroup.procs'), String(process.pid))
    t.teardown(() => writeFileSync(join(root, home, 'cgroup.procs'), String(process.pid)))
    using object = loadWith(basics, 'watch', 'walk')
    using walk = object.program('walk').attachIter(object.anyMap('records'))
    t.equal(walk.iterate().length, 0)
    using watching = object.program('watch').attachCgroup(cgroup)
    await listen(t)
    t.equal(walk.iterate().readBigUInt64LE(), 0x5ca1ab1en)
    t.notOk(watching.disposed)
  })

  void tap.test('a map, by a program that writes nothing', { skip }, async (t) => {
    using object = loadWith(basics, 'count')
    const size = structLayout(object, 'entry').size
    using entries = object.map('entries', u32, bytes(size))
    for (let key = 0; key < 20; key++) entries.update(key, new Uint8Array())
    using count = object.program('count').attachIter(entries)
    count.run()
    t.equal(object.getGlobal('runs', u64), 20n)
    t.equal(count.iterate().length, 0)
    t.equal(object.getGlobal('runs', u64), 40n)
    t.throws(() => object.program('count').attachIter(), {
      name: 'BpfError',
      message: /^attach iterator count: /,
    })
  })

  void tap.test(
    'an iterator over sockets belongs to the namespace that it was opened in',
    async (t) => {
      const port = await listen(t)
      using object = loadWith(basics, 'listeners')
      using link = object.program('listeners').attachIter()
      t.ok(ports(link.iterate()).includes(port))
      using later = withNetns('/proc/self/ns/net', () => link.open())
      t.ok(ports(later.read()).includes(port), 'opened now, read later')
      t.equal(later.read().length, 0, 'one walk only')
      later[Symbol.dispose]()
      t.throws(() => later.read(), { code: 'DISPOSED' })
    },
  )

  void tap.test('a pinned iterator', async (t) => {
    const path = join(pinDirectory(t), 'listeners')
    const port = await listen(t)
    {
      using object = loadWith(basics, 'listeners')
      using link = object.program('listeners').attachIter()
      link.pin(path)
    }
    t.ok(ports(readFileSync(path)).includes(port), 'is a file that runs it')
    using link = IterLink.fromPin(path)
    t.ok(ports(link.iterate()).includes(port))
    link.unpin(path)
    link[Symbol.dispose]()
    t.throws(() => link.run(), { code: 'DISPOSED' })
  })

  void tap.test('run again and again, nothing is left', { skip }, async (t) => {
    using object = loadWith(basics, 'count')
    const size = structLayout(object, 'entry').size
    using count = object.program('count').attachIter(object.map('entries', u32, bytes(size)))
    for (let round = 0; round < 1000; round++) count.run()
    const before = process.memoryUsage().rss
    for (let round = 0; round < 20_000; round++) count.run()
    const grownMiB = (process.memoryUsage().rss - before) / 2 ** 20
    t.ok(grownMiB < 32, `20,000 runs took ${grownMiB.toFixed(1)} MiB`)
  })
}
