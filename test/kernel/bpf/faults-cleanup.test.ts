import { existsSync } from 'node:fs'
import { test } from 'tap'
import { cleanUp, commandIn, Faults, stepsToFail } from '../../helpers/faults.ts'
import { Load } from '../../helpers/load.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'

for (const how of ['error', 'kill'] as const) {
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
