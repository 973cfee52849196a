import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { test, type Test } from 'tap'
import { cleanupKernelDatapath } from '../../../src/datapath/open.ts'
import { commandIn, Faults, stepsToFail } from '../../helpers/faults.ts'
import { Load } from '../../helpers/load.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { until } from '../../helpers/retry.ts'

for (const how of ['error', 'kill'] as const) {
  void test(`attaching, interrupted at every step by ${how}`, async (t) => {
    if (!requireRoot(t)) return
    const mesh = await Mesh.make(t)
    using faults = new Faults(mesh.pinDir)
    await using load = await Load.start(mesh)
    const { steps } = await faults.run(commandIn(mesh, 'agent'))
    await cleanUp(t, mesh, 'without a fault')
    const chosen = stepsToFail(steps, how)
    t.ok(steps.some((step) => step.startsWith('rename ')))

    for (const step of chosen) {
      const what = `${step.name} (${step.nth})`
      const { code, log, steps: taken } = await faults.run(commandIn(mesh, 'agent'), step, how)
      t.ok(taken.includes(step.name), what)
      const left = existsSync(mesh.pinDir) ? readdirSync(mesh.pinDir) : []
      if (how === 'error' && !log.includes('"attached"') && code !== 1) t.fail(`${what}: ${log}`)
      if (how === 'kill' && code !== null) t.fail(`${what}: it lives`)
      // A version in place is complete. All else is gone, or goes with the next start.
      if (how === 'error' && left.includes('partial')) t.fail(`${what}: left half done: ${log}`)
      if (left.length > 1) t.fail(`${what}: left ${left.join(', ')}`)
      await load.goesOn(what)
      if (how === 'kill' && /^(rename|attach)/.test(step.name)) {
        const next = await mesh.startAgent()
        await load.accelerated(next)
        await next.kill('SIGKILL')
      }
      await cleanUp(t, mesh, what)
    }
    t.comment(`${chosen.length} of ${steps.length} steps`)
    await load.end(t)
  })

  void test(`cleaning up live connections, interrupted at every step by ${how}`, async (t) => {
    if (!requireRoot(t)) return
    const mesh = await Mesh.make(t)
    using faults = new Faults(mesh.pinDir)
    await using load = await Load.start(mesh)
    await leftBehind(mesh, load)
    const { steps } = await faults.run(commandIn(mesh, 'cleanup'))
    await cleanUp(t, mesh, 'without a fault')
    const chosen = stepsToFail(steps, how)

    for (const [i, step] of chosen.entries()) {
      const what = `${step.name} (${step.nth})`
      await leftBehind(mesh, load)
      const { code, log, steps: taken } = await faults.run(commandIn(mesh, 'cleanup'), step, how)
      t.ok(taken.includes(step.name), what)
      if (how === 'kill') t.equal(code, null, what)
      else if (code !== 1) t.notOk(existsSync(mesh.pinDir), `${what}: ${log}`)
      await load.goesOn(what)
      // Otherwise the next agent finds the leftovers.
      if (i % 2 === 0) await cleanUp(t, mesh, what)
    }
    t.comment(`${chosen.length} of ${steps.length} steps`)
    await load.end(t)
  })
}

/** Starts an agent on the leftovers, has it accelerate the traffic, and kills it. */
async function leftBehind(mesh: Mesh, load: Load): Promise<void> {
  const agent = await mesh.startAgent()
  const { state } = await agent.status()
  if (state === 'disabled') await agent.client.call('Resume', {})
  await load.accelerated(agent)
  await agent.kill('SIGKILL')
}

/** Checks that the next cleanup leaves nothing. */
async function cleanUp(t: Test, { pinDir, cgroup }: Mesh, what: string): Promise<void> {
  await cleanupKernelDatapath(pinDir, { timeoutMs: 10_000 })
  if (existsSync(pinDir)) t.fail(`${what}: pins are left: ${readdirSync(pinDir).join(', ')}`)
  // The kernel frees the objects a little later.
  await until(`${what}: nothing is attached`, () => {
    const { stdout } = spawnSync('bpftool', ['-j', 'cgroup', 'show', cgroup], { encoding: 'utf8' })
    return !stdout.includes('meshaccel')
  })
}
