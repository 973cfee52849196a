/** Servers whose memory is at its limit: the kernel refuses what they send or are sent, or queues a part of it. */
import { ready } from '../../../helpers/compile.ts'
import { ask } from '../ask.ts'
import { type Answer, deadline, type Ends, goOnAndLeave, joinAll, READER_MS } from '../both-ends.ts'
import { MemoryLimit } from '../memory-limit.ts'
import type { Scenario, Scene } from '../scenario.ts'

const CONNECTIONS = 8
const LIMIT = 512 * 1024
const ROUNDS = 50
/** Several pages, so that the kernel may queue a part of a message. */
const SIZE = 200_000

/** Presses connections that have joined and whose servers' memory is limited. `work` lifts the limit at its end. */
async function underLimit(
  scene: Scene,
  work: (ends: Ends, limit: MemoryLimit) => Promise<void>,
): Promise<void> {
  const { mesh } = scene
  const agent = await scene.startAgent()
  using limit = new MemoryLimit(`meshaccel-test-${mesh.id}-memory`, mesh.cgroup)
  await using ends = mesh
    .pod(0)
    .run<Answer>('limited', [limit.path, limit.home, String(CONNECTIONS)])
  await joinAll(agent, ends, CONNECTIONS)
  limit.set(LIMIT)
  await work(ends, limit)
  await goOnAndLeave(scene, agent, ends)
}

export const limitedReceiver: Scenario = {
  name: 'a receiver under a memory limit',
  pods: 1,
  run: (scene) =>
    underLimit(scene, async (ends, limit) => {
      const pressed = await ask(ends, `press ${ROUNDS} ${SIZE}`)
      scene.say(`${pressed.value} refusals with ENOMEM, usage ${limit.usage}`)
      scene.check(
        'no send is refused but for a while',
        pressed.value >= 0,
        `errno ${pressed.error}`,
      )
      limit.lift()
    }),
}

export const strandedWriter: Scenario = {
  name: 'an edge-triggered writer goes on once its memory cgroup has room again',
  pods: 1,
  run: (scene) =>
    underLimit(scene, async (ends, limit) => {
      await ask(ends, 'fill')
      const { value: stranded } = await ask(ends, 'strand')
      scene.say(`${stranded} refused although nothing is under way`)
      // A kernel may let them pass, such as 6.1. Then there is nothing to see in this guest.
      const mayPass = ready !== undefined
      scene.check('some are refused although nothing is under way', stranded > 0 || mayPass)
      limit.lift()
      const freed = await ask(ends, `free ${deadline(READER_MS)}`)
      scene.check('each may write again', freed.value === stranded, `${freed.value} of ${stranded}`)
    }),
}
