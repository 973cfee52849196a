/** Another project's sockops program that does not share the cgroup. */
import { mkdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { findCgroup2 } from '../../../src/lib/cgroup.ts'
import { cgroupPrograms } from 'libbpf'
import type { Finding } from '../../../src/preflight/finding.ts'
import { examine } from '../../../src/preflight/preflight.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { attachNeighbour } from '../../helpers/neighbour.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'

/** A cgroup with a child, until the end of the test. */
function cgroups(t: Test): { above: string; below: string } {
  const above = join(findCgroup2(), `meshaccel-test-claimed-${process.pid}`)
  const below = join(above, 'pods')
  mkdirSync(below, { recursive: true })
  t.teardown(() => {
    rmdirSync(below)
    rmdirSync(above)
  })
  return { above, below }
}

const claimed = (cgroup: string): Finding | undefined =>
  examine({ purpose: 'agent', pinDir: '/sys/fs/bpf/meshaccel-test-claimed', cgroup }).find(
    ({ check }) => check === 'cgroup-claimed',
  )

void test('who does not share is named, there and above', async (t) => {
  if (!requireRoot(t)) return
  const { above, below } = cgroups(t)
  for (const [how, words] of [
    ['exclusive', 'exclusively'],
    ['override', 'to be overridden'],
  ] as const) {
    using _ = attachNeighbour(above, how)
    const { mode, programs } = cgroupPrograms(above)
    t.match({ mode, programs }, { mode: how, programs: [{ name: 'neighbour' }] })
    const found = `the sockops program neighbour (id ${programs[0]?.id}) does not share the cgroup ${above}: it is attached ${words}`
    for (const cgroup of [above, below]) {
      t.match(claimed(cgroup), { level: 'refused', found, mend: /BPF_F_ALLOW_MULTI/ }, how)
    }
  }
})

void test('who shares is no matter, and who is nearest decides', async (t) => {
  if (!requireRoot(t)) return
  const { above, below } = cgroups(t)
  const neighbours = [attachNeighbour(above, 'multi')]
  t.teardown(() => neighbours.forEach((each) => each[Symbol.dispose]()))
  t.equal(claimed(above), undefined)
  t.equal(claimed(below), undefined)
  neighbours.push(attachNeighbour(below, 'override'))
  t.equal(claimed(above), undefined)
  t.match(claimed(below), { level: 'refused' })
})

void test('the agent stays up and names it, and begins once it has gone', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t)
  using neighbour = attachNeighbour(mesh.cgroup, 'exclusive')
  const agent = await mesh.startAgent('--policy', 'auto')
  t.match(await agent.status(), {
    policy: 'refused',
    refusedBecause: /^cgroup-claimed: the sockops program neighbour/,
  })
  neighbour[Symbol.dispose]()
  await until('it accelerates', async () => (await agent.status()).policy !== 'refused', {
    attempts: 600,
  })
})
