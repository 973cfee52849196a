import { setImmediate } from 'node:timers/promises'
import { test } from 'tap'
import { MeshaccelError } from '../../../../src/lib/errors.ts'
import type { Walker } from '../../../../src/datapath/netns/walk-process.ts'
import { Walks } from '../../../../src/datapath/netns/walks.ts'
import { createLog } from '../../../../src/lib/log.ts'
import { until } from '../../../helpers/retry.ts'

/** A process that walks when the test lets it. */
class FakeWalker implements Walker {
  isWaiting = false
  disposed = false
  readonly walked: string[] = []
  #settle: { resolve: (output: Buffer) => void; reject: (error: unknown) => void } | undefined

  walk(pin: string, netnsPath: string): Promise<Buffer> {
    this.walked.push(`${pin} ${netnsPath}`)
    return new Promise((resolve, reject) => (this.#settle = { resolve, reject }))
  }

  waits(): boolean {
    return this.isWaiting
  }

  answers(output: string): void {
    this.isWaiting = false
    this.#settle?.resolve(Buffer.from(output))
  }

  ends(): void {
    const details = { code: 'WALKER_ENDED', operation: 'run it' }
    this.#settle?.reject(new MeshaccelError('exit 1', details))
  }

  [Symbol.dispose](): void {
    this.disposed = true
    this.ends()
  }
}

function fixture(options: { maxBlocked?: number; maxLooks?: number } = {}): {
  walks: Walks
  walkers: FakeWalker[]
  walk: (netns: number) => Promise<string | undefined>
  log: () => string
} {
  const walkers: FakeWalker[] = []
  let written = ''
  const log = createLog('info', { write: (text) => void (written += text) })
  const start = (): Walker => {
    const walker = new FakeWalker()
    walkers.push(walker)
    return walker
  }
  const looks = { lookMs: 1, maxLooks: Infinity, toldAfterMs: 1 }
  const walks = new Walks({
    log,
    start,
    pathTo: (cookie, all) => all.get(cookie),
    ...looks,
    ...options,
  })
  const paths = new Map([1n, 2n, 3n].map((cookie) => [cookie, `/ns/${cookie}`]))
  const walk = async (netns: number): Promise<string | undefined> =>
    (await walks.walk('/kick', BigInt(netns), paths))?.toString()
  return { walks, walkers, walk, log: () => written }
}

/** The nth walker, once it has this many requests. */
function asked(walkers: readonly FakeWalker[], nth: number, times = 1): Promise<FakeWalker> {
  const look = (): FakeWalker | false | undefined => {
    const walker = walkers[nth]
    return walker && walker.walked.length >= times && walker
  }
  return until(`walker ${nth} walks`, look, { pauseMs: 1 })
}

void test('one process makes one walk after the other', async (t) => {
  const { walks, walkers, walk } = fixture()
  const both = [walk(1), walk(2)]
  const walker = await asked(walkers, 0)
  t.strictSame(walker.walked, ['/kick /ns/1'], 'the second walk waits')
  walker.answers('one')
  await asked(walkers, 0, 2)
  walker.answers('two')
  t.strictSame(await Promise.all(both), ['one', 'two'])
  t.equal(walkers.length, 1)
  walks[Symbol.dispose]()
  t.ok(walker.disposed)
  t.equal(await walk(1), undefined, 'no walk is made any more')
})

void test('a walk that is slow, but waits for no lock, is waited for', async (t) => {
  const { walkers, walk } = fixture()
  let isOver = false
  const slow = walk(1).finally(() => (isOver = true))
  const walker = await asked(walkers, 0)
  let looks = 0
  walker.waits = () => ++looks < 0
  await until('some limits have passed', () => looks > 3, { pauseMs: 1 })
  t.notOk(isOver)
  walker.answers('at last')
  t.equal(await slow, 'at last')
})

void test('a walk that neither comes back nor waits is given up in the end', async (t) => {
  const { walks, walk } = fixture({ maxLooks: 3 })
  t.equal(await walk(1), undefined)
  t.ok(walks.isBlocked(1n))
})

void test('a blocked walk holds up nobody, and its pod is walked over again once it is back', async (t) => {
  const { walks, walkers, walk, log } = fixture()
  const held = walk(1)
  const first = await asked(walkers, 0)
  first.isWaiting = true
  t.equal(await held, undefined)
  t.ok(walks.isBlocked(1n))
  t.equal(await walk(1), undefined, 'its pod is left alone')
  t.equal(walkers.length, 1)

  const other = walk(2)
  const second = await asked(walkers, 1)
  second.answers('two')
  t.equal(await other, 'two', 'another process walks over other pods')
  await until('it is told', () => log().includes("holds a socket's lock"))

  first.answers('late')
  await setImmediate()
  t.notOk(walks.isBlocked(1n))
  t.ok(first.disposed, 'one idle process is enough')
  const again = walk(1)
  await asked(walkers, 1, 2)
  second.isWaiting = true
  t.equal(await again, undefined)
  await setImmediate()
  second.answers('late')
  await setImmediate()
  t.notOk(second.disposed, 'it is the only one')
  t.equal(log().match(/holds a socket's lock/g)?.length, 1, 'it is told once for each pod')
})

void test('a blocked walk comes back while another one is made', async (t) => {
  const { walks, walkers, walk } = fixture()
  const held = walk(1)
  const first = await asked(walkers, 0)
  first.isWaiting = true
  t.equal(await held, undefined)
  const other = walk(2)
  const second = await asked(walkers, 1)
  first.answers('late')
  await setImmediate()
  second.answers('two')
  t.equal(await other, 'two')
  t.strictSame(
    walkers.map(({ disposed }) => disposed),
    [false, true],
    'one idle process is enough',
  )
  walks[Symbol.dispose]()
  t.ok(first.disposed)
})

void test('so many processes are blocked at most', async (t) => {
  const { walkers, walk, log } = fixture({ maxBlocked: 1 })
  const held = walk(1)
  const first = await asked(walkers, 0)
  first.isWaiting = true
  t.equal(await held, undefined)
  t.equal(await walk(2), undefined, 'others wait')
  t.equal(await walk(3), undefined)
  t.equal(walkers.length, 1)
  t.equal(log().match(/others wait/g)?.length, 1, 'it is told once')

  first.answers('late')
  await setImmediate()
  const other = walk(2)
  await asked(walkers, 0, 2)
  first.answers('two')
  t.equal(await other, 'two')
})

void test('a process that ends takes its walk along, and the next walk has a new one', async (t) => {
  const { walkers, walk } = fixture()
  const failing = walk(1)
  const first = await asked(walkers, 0)
  first.ends()
  await t.rejects(failing, { code: 'WALKER_ENDED' })
  const next = walk(1)
  const second = await asked(walkers, 1)
  second.answers('one')
  t.equal(await next, 'one')
})

void test('a blocked process that ends is not used again', async (t) => {
  const { walks, walkers, walk } = fixture()
  const held = walk(1)
  const first = await asked(walkers, 0)
  first.isWaiting = true
  t.equal(await held, undefined)
  first.ends()
  await until('the pod is free', () => !walks.isBlocked(1n))
  const next = walk(1)
  const second = await asked(walkers, 1)
  second.answers('one')
  t.equal(await next, 'one')
})

void test('disposing ends what is under way', async (t) => {
  const { walks, walkers, walk } = fixture()
  const walking = walk(1)
  await asked(walkers, 0)
  walks[Symbol.dispose]()
  t.equal(await walking, undefined)
})
