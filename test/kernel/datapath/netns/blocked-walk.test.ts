/** Walks over the sockets of a pod that holds a socket's lock, on the real kernel. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { Walks } from '../../../../src/datapath/netns/walks.ts'
import type { Child } from '../../../helpers/child.ts'
import { Mesh } from '../../../helpers/mesh.ts'
import { requireRoot } from '../../../helpers/requirements.ts'
import { until } from '../../../helpers/retry.ts'
import { compileFixture, loadWith, pinDirectory } from '../../../../packages/libbpf/test/fixture.ts'

interface Obeyed {
  readonly event: string
  /** errno; 0: success. */
  readonly error: number
}

const FREE = 1n
const HELD = 2n

interface World {
  readonly pin: string
  readonly paths: ReadonlyMap<bigint, string>
  readonly faulting: Child<Obeyed>
}

/** A pinned iterator and two pods. The second pod holds a lock. */
async function world(t: Test): Promise<World> {
  const mesh = await Mesh.make(t)
  const object = loadWith(compileFixture(t, 'basics'), 'listeners')
  t.teardown(() => object[Symbol.dispose]())
  const pin = join(pinDirectory(t), 'listeners')
  const link = object.program('listeners').attachIter()
  t.teardown(() => link[Symbol.dispose]())
  link.pin(pin)
  const faulting = mesh.pod(1).run<Obeyed>('faulting')
  t.teardown(() => faulting[Symbol.asyncDispose]())
  t.equal(await ask(faulting, 'hold'), 0)
  const paths = new Map([
    [FREE, mesh.pod(0).netns],
    [HELD, mesh.pod(1).netns],
  ])
  return { pin, paths, faulting }
}

void test('a blocked walk holds up neither its caller nor other pods, and comes back', async (t) => {
  if (!requireRoot(t)) return
  const { pin, paths, faulting } = await world(t)
  using walks = new Walks({ pathTo: (cookie, all) => all.get(cookie) })
  await until('there is a walk', () => walks.walk(pin, FREE, paths))
  t.equal(await walks.walk(pin, HELD, paths), undefined)
  t.ok(walks.isBlocked(HELD), 'its caller goes on')
  await until('others are walked over', () => walks.walk(pin, FREE, paths))
  t.ok(walks.isBlocked(HELD), 'while it waits')

  t.equal(await ask(faulting, 'release'), 0)
  await until('it is back', () => !walks.isBlocked(HELD))
  await until('its pod is walked over again', () => walks.walk(pin, HELD, paths))
})

void test('a blocked walk outlives a killed process no longer than the lock is held', async (t) => {
  if (!requireRoot(t)) return
  const { pin, paths, faulting } = await world(t)
  const program = new URL('../../../fixtures/blocked-walk.ts', import.meta.url).pathname
  const walking = spawn(process.execPath, ['--import=tsx', program, pin, paths.get(HELD) ?? ''], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => walking.kill('SIGKILL'))
  await once(walking.stdout, 'data')
  const [walker = 0] = childrenOf(walking.pid ?? 0)
  t.match(statOf(walker), /^\d+ \(meshaccel-walk\) D/)
  walking.kill('SIGKILL')
  await once(walking, 'close')
  t.match(statOf(walker), /^\d+ \(meshaccel-walk\) D/, 'it waits for the lock still')
  t.equal(await ask(faulting, 'release'), 0)
  await until('it ends', () => !existsSync(`/proc/${walker}`))
})

async function ask(faulting: Child<Obeyed>, command: string): Promise<number> {
  faulting.write(`${command}\n`)
  return (await faulting.take(command)).error
}

function childrenOf(parent: number): number[] {
  const children = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8')
  return children.split(' ').filter(Boolean).map(Number)
}

const statOf = (pid: number): string => readFileSync(`/proc/${pid}/stat`, 'utf8')
