/** Bytes that leave a reader's TCP queue without a counted receive. */
import { tally } from '../../../helpers/agent-process.ts'
import { goOnAndLeave, joinAll, joinOrStay, scans, type Answer } from '../both-ends.ts'
import { ask } from '../ask.ts'
import type { Scenario } from '../scenario.ts'

const CONNECTIONS = 8

/** HAProxy and Go's io.Copy splice as soon as there is much data. */
export const splicedBeforeJoin: Scenario = {
  name: 'bytes that are spliced between the last counted receive and the join',
  pods: 1,
  run: async (scene) => {
    const agent = await scene.startAgent()
    await using ends = scene.mesh.pod(0).run<Answer>('uncounted')
    const { value, error } = await ask(ends, 'splice')
    scene.check('they are spliced', value === 1, `errno ${error}`)
    // The peer receives nothing until the scan has seen that both ends want to join.
    await scans(scene.mesh, 5)
    scene.say(tally(await agent.flows()))
    scene.say(await joinOrStay(agent, ends, ['unaccounted', 'splice', 'quarantined']))
    await goOnAndLeave(scene, agent, ends)
  },
}

/** `copied_seq` skips an urgent byte, which no receive returns. */
export const urgentByTcp: Scenario = uncounted('an urgent byte that a member gets by TCP', 'urgent')

/** TCP_ZEROCOPY_RECEIVE reads the TCP queue past the accounting. */
export const mappedReceive: Scenario = uncounted('a mapped receive on a member', 'mapped')

function uncounted(name: string, command: string): Scenario {
  return {
    name,
    pods: 1,
    run: async (scene) => {
      const agent = await scene.startAgent()
      await using ends = scene.mesh.pod(0).run<Answer>('uncounted')
      await joinAll(agent, ends, CONNECTIONS)
      // Later bytes take TCP on members.
      await ask(ends, 'lowat 2')
      const { value, error } = await ask(ends, command)
      await ask(ends, 'lowat 1')
      scene.check('it is received', value === 1, `errno ${error}`)
      await scans(scene.mesh, 5)
      await goOnAndLeave(scene, agent, ends)
    },
  }
}
