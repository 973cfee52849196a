/** A reader that has begun a receive before its connection joins, and goes on after it. */
import { until } from '../../../helpers/retry.ts'
import { ask } from '../ask.ts'
import { type Answer, takeTurns } from '../both-ends.ts'
import type { Scenario } from '../scenario.ts'
import { whileStopped } from '../while-stopped.ts'

const TURNS = 20
/** A message of both-ends.h. */
const MESSAGE = 100

export const lateReader: Scenario = {
  name: 'a reader that waits for its lock during the join gets the last message before the end of the stream',
  pods: 1,
  run: async (scene) => {
    const agent = await scene.startAgent()
    await using ends = scene.mesh.pod(0).run<Answer>('faulting-ends')
    const step = async (command: string): Promise<void> => {
      const { value } = await ask(ends, command)
      scene.check(command, value === 1)
    }
    // The ends become worth joining, and stay on TCP.
    await whileStopped(agent.pid, async () => {
      await takeTurns(ends, TURNS)
      await step('fault-in-send')
      await step('enter')
      await step('release')
    })
    await until('they join', async () => {
      const flows = await agent.flows()
      return flows.length === 1 && flows.every(({ state }) => state === 'joined')
    })
    await step('last')
    const { value, error } = await ask(ends, 'return')
    scene.check('it reads the last message', value === MESSAGE, `${value}, errno ${error}`)
  },
}
