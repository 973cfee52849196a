import { existsSync, readdirSync } from 'node:fs'
import { test } from 'tap'
import { cleanUp, commandIn, Faults, stepsToFail } from '../../helpers/faults.ts'
import { Load } from '../../helpers/load.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'

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
}
