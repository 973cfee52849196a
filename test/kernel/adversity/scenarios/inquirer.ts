/** Readers that rely on FIONREAD, which hides TCP bytes of members on some kernels (`strict`). */
import { ask } from '../ask.ts'
import { type Answer, deadline, goOnAndLeave, joinAll, READER_MS, scans } from '../both-ends.ts'
import type { Scenario } from '../scenario.ts'
import { until } from '../../../helpers/retry.ts'

/** The client leaves it unread, so the connection leaves only as far as SEALED. */
const HELD = 1000
const UPLOAD = 49_152

export const sealedOverUnread: Scenario = {
  name: 'a reader that believes FIONREAD, on a connection that cannot leave yet',
  pods: 1,
  run: async (scene) => {
    const agent = await scene.startAgent()
    await using ends = scene.mesh.pod(0).run<Answer>('inquirer')
    await joinAll(agent, ends, 1)
    await ask(ends, `hold ${HELD}`)
    scene.mesh.enable(scene.mesh.pod(0), false)
    await until('it leaves', async () => (await agent.flows())[0]?.state === 'leaving')
    // It is sealed 300 ms later, and scans are 50 ms apart.
    await scans(scene.mesh, 20)
    const begin = performance.now()
    const { value, sent, received } = await ask(ends, `upload ${UPLOAD} ${deadline(READER_MS)}`)
    scene.say(`${sent - received - HELD} of ${UPLOAD} bytes unread after ${ms(begin)}`)
    scene.check('no reader waits over bytes', value === 1, `${sent - received - HELD} unread`)
    await goOnAndLeave(scene, agent, ends)
  },
}

/** After a partial send the kernel does not run the verdict for the next one. */
export const unaskedVerdict: Scenario = {
  name: 'a send that no verdict sees, to a reader that believes FIONREAD',
  pods: 1,
  run: async (scene) => {
    const agent = await scene.startAgent()
    await using ends = scene.mesh.pod(0).run<Answer>('inquirer')
    await joinAll(agent, ends, 1)
    const { leaves } = agent.counters()
    const part = await ask(ends, 'part')
    scene.check('the cut upload arrives', part.value === 1, JSON.stringify(part))
    // The connection has left completely.
    await scans(scene.mesh, 5)
    const begin = performance.now()
    const last = await ask(ends, `upload ${UPLOAD} ${deadline(READER_MS)}`)
    scene.say(`${last.sent - last.received} of ${UPLOAD} bytes unread after ${ms(begin)}`)
    scene.say(`it left ${agent.counters().leaves - leaves} times meanwhile`)
    scene.check('no reader waits over bytes', last.value === 1, JSON.stringify(last))
    await goOnAndLeave(scene, agent, ends)
  },
}

function ms(begin: number): string {
  return `${Math.round(performance.now() - begin)} ms`
}
