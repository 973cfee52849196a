/** The cost of the watches and of a message, by programs/cost.c. */
import { AgentProcess, tally } from '../../../helpers/agent-process.ts'
import { until } from '../../../helpers/retry.ts'
import { ask } from '../ask.ts'
import { type Answer, type Ends, joinAll } from '../both-ends.ts'
import type { Scenario, Scene } from '../scenario.ts'

type Operation = 'nothing' | 'ask' | 'message' | 'splice'

/** The operations of a round. A round is short enough to fit between two scans. */
const OPERATIONS: Readonly<Record<Operation, number>> = {
  nothing: 10_000,
  ask: 2_000,
  message: 500,
  splice: 500,
}

/**
 * In a guest with MESHACCEL_ICOUNT=1 a nanosecond is an instruction. Otherwise the figures are nanoseconds of a machine
 * that may be busy.
 */
export const watchCost: Scenario = {
  byNameOnly: 'it measures, and checks little',
  name: 'an operation costs this much without an agent, under a watch, and as a member',
  pods: 1,
  run: async (scene) => {
    const { mesh } = scene
    {
      await using ends = mesh.pod(0).run<Answer>('cost')
      await measure(scene, 'no agent', ends, ['nothing', 'ask', 'message', 'splice'])
    }
    for (const policy of ['strict', 'full']) {
      const agent = await mesh.startAgent('--policy', policy)
      await using ends = mesh.pod(0).run<Answer>('cost')
      await joinAll(agent, ends, 1)
      await measure(scene, `member, ${policy}`, ends, ['nothing', 'message'])
      const flows = await agent.flows()
      scene.check(
        'it is still a member',
        flows.every(({ state }) => state === 'joined'),
        tally(flows),
      )
      if (policy === 'full') {
        await ask(ends, 'ask 1')
        const isOnTcp = async (): Promise<boolean> =>
          (await agent.flows()).every(({ state }) => state === 'watched')
        await until('the asker leaves', isOnTcp)
      }
      await measure(scene, `${policy === 'full' ? 'watched' : 'member'}, ${policy}`, ends, ['ask'])
      if (policy === 'full') await measure(scene, 'watched, full', ends, ['message', 'splice'])
      // The checks after a scenario need its last agent.
      if (policy === 'full') continue
      await agent.kill('SIGKILL')
      AgentProcess.cleanup(mesh)
    }
  },
}

async function measure(
  scene: Scene,
  where: string,
  ends: Ends,
  operations: readonly Operation[],
): Promise<void> {
  for (const operation of operations) {
    const { value } = await ask(ends, `${operation} ${OPERATIONS[operation]}`)
    scene.say(`${where}: ${operation} ${value}`)
  }
}
