import { readdirSync } from 'node:fs'
import { test, type Test } from 'tap'
import { AnotherVersion, withNumber } from '../../helpers/another-version.ts'
import { cli } from '../../helpers/agent-process.ts'
import { kernelObjects, stillThere } from '../../helpers/kernel-objects.ts'
import { Load } from '../../helpers/load.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'

void test('another version takes over live connections, and back', async (t) => {
  if (!requireRoot(t)) return
  const other = anotherVersion(t)
  const mesh = await Mesh.make(t)
  await using load = await Load.start(mesh, 16)
  let agent = await mesh.startAgent()
  await load.accelerated(agent)

  for (const [signal, next] of [
    ['SIGTERM', other.cli],
    ['SIGKILL', cli],
  ] as const) {
    const before = kernelObjects(mesh.pinDir)
    const versions = readdirSync(mesh.pinDir)
    await agent.kill(signal)
    mesh.cli = next
    agent = await mesh.startAgent()
    t.match(agent.log, /draining the data path of another version.*attached/s)
    const pinned = readdirSync(mesh.pinDir)
    t.equal(pinned.length, 1)
    t.notSame(pinned, versions, 'the hash is another one')
    await load.accelerated(agent)
    await until('the other version is gone', () => stillThere(before).length === 0)
    await load.goesOn(`after ${signal}`)
  }
  await load.end(t)
})

void test('a version that does not load leaves the one before as it was', async (t) => {
  if (!requireRoot(t)) return
  const other = anotherVersion(t)
  const mesh = await Mesh.make(t)
  other.breakObject()
  await using load = await Load.start(mesh)
  const first = await mesh.startAgent()
  await load.accelerated(first)
  const objects = kernelObjects(mesh.pinDir)
  await first.kill('SIGTERM')
  mesh.cli = other.cli
  await t.rejects(mesh.startAgent('--policy', 'full'), /the agent has ended/)
  mesh.cli = cli
  t.strictSame(kernelObjects(mesh.pinDir), objects)
  const again = await mesh.startAgent()
  t.match(again.log, /"adopted"/)
  t.equal((await again.status()).state, 'accelerating')
  await load.accelerated(again)
  await load.end(t)
})

/** Create it before the mesh: the mesh cleans up with the program that it ran last. */
function anotherVersion(t: Test): AnotherVersion {
  const version = new AnotherVersion(withNumber('TURNS', 5))
  t.teardown(() => version[Symbol.dispose]())
  return version
}
