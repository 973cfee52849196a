/** A reader that closes while the kernel has queued only a part of a message. */
import { allRedirected } from '../../../helpers/agent-process.ts'
import { until } from '../../../helpers/retry.ts'
import { ask } from '../ask.ts'
import { type Answer, joinAll, takeTurns } from '../both-ends.ts'
import { MemoryLimit } from '../memory-limit.ts'
import type { Scenario } from '../scenario.ts'

/** Less than the message of programs/closing.c. */
const LIMIT = 128 * 1024
const MESSAGE = 200_000
const STRANGERS = 64

export const closedInMessage: Scenario = {
  name: 'the rest of a message whose reader has closed goes nowhere else',
  pods: 1,
  run: async (scene) => {
    const { mesh } = scene
    const agent = await scene.startAgent()
    using limit = new MemoryLimit(`meshaccel-test-${mesh.id}-memory`, mesh.cgroup)
    await using ends = mesh.pod(0).run<Answer>('closing', [limit.path, limit.home])
    try {
      await joinAll(agent, ends, 1)
      limit.set(LIMIT)
      const begun = await ask(ends, 'begin')
      limit.lift()
      scene.check('the first part is queued', begun.value === 1, `errno ${begun.error}`)
      await ask(ends, 'close')
      await ask(ends, `strangers ${STRANGERS}`)
      await until('they join', async () => {
        await takeTurns(ends, 10)
        const members = (await agent.flows()).filter(({ state }) => state === 'joined')
        return allRedirected(members, STRANGERS)
      })
      const { value: sent } = await ask(ends, 'end')
      scene.check('send() returns its length', sent > 0 && sent < MESSAGE, `${sent}`)
      const { value: astray } = await ask(ends, 'astray')
      scene.check('no other connection gets the rest', astray === 0, `${astray} bytes`)
    } finally {
      limit.lift()
    }
  },
}
