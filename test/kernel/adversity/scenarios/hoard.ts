/** Unread messages whose memory is charged to no process. */
import { ask } from '../ask.ts'
import { type Answer, goOnAndLeave, joinAll } from '../both-ends.ts'
import type { AgentProcess } from '../../../helpers/agent-process.ts'
import { messageKiB, packetsHaveOwnSlab } from '../held.ts'
import type { Scenario } from '../scenario.ts'

/** The limit of kernel memory for unread messages of one pod. */
const POD_KIB = 16 * 1024
const CONNECTIONS = 200
/** More than the limit of a direction. */
const MESSAGES = 300

export const hoarded: Scenario = {
  name: 'unread messages of one byte take a bounded amount of kernel memory',
  pods: 1,
  run: async (scene) => {
    const agent = await scene.startAgent('--pod-memory', String(POD_KIB * 1024))
    await using ends = scene.mesh.pod(0).run<Answer>('hoarder', [String(CONNECTIONS)])
    await joinAll(agent, ends, CONNECTIONS)
    const takenKiB = packetsHaveOwnSlab() ? messageKiB : () => unreadKiB(agent)
    const before = await takenKiB()
    await ask(ends, `hoard ${MESSAGES}`)
    const taken = (await takenKiB()) - before
    scene.say(`${taken} KiB of kernel memory for ${2 * CONNECTIONS * MESSAGES} bytes`)
    scene.check('one pod takes its share', taken <= POD_KIB, `${taken} KiB, of ${POD_KIB} allowed`)
    await goOnAndLeave(scene, agent, ends)
  },
}

/** Each message is one byte, and takes 1 KiB. */
async function unreadKiB(agent: AgentProcess): Promise<number> {
  const flows = await agent.flows()
  const directions = flows.flatMap((flow) => flow.directions)
  return directions.reduce((sum, { unreadBytes }) => sum + Number(unreadBytes), 0)
}
