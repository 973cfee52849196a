/** A receiver whose memory is at its limit: the kernel refuses a redirect, or queues a part of it. */
import { ready } from '../../../helpers/compile.ts'
import { ask } from '../ask.ts'
import { type Answer, deadline, goOnAndLeave, joinAll, READER_MS } from '../both-ends.ts'
import { MemoryLimit } from '../memory-limit.ts'
import type { Scenario } from '../scenario.ts'

const CONNECTIONS = 8
const LIMIT = 512 * 1024
const ROUNDS = 50
/** Several pages, so that the kernel may queue a part of a message. */
const SIZE = 200_000

export const limitedReceiver: Scenario = {
  name: 'a receiver under a memory limit',
  pods: 1,
  run: async (scene) => {
    const { mesh } = scene
    const agent = await scene.startAgent()
    using limit = new MemoryLimit(`meshaccel-test-${mesh.id}-memory`, mesh.cgroup)
    await using ends = mesh
      .pod(0)
      .run<Answer>('limited', [limit.path, limit.home, String(CONNECTIONS)])
    await joinAll(agent, ends, CONNECTIONS)
    limit.set(LIMIT)
    const pressed = await ask(ends, `press ${ROUNDS} ${SIZE}`)
    scene.say(`${pressed.value} refusals with ENOMEM, usage ${limit.usage}`)
    scene.check('no send is refused but for a while', pressed.value >= 0, `errno ${pressed.error}`)
    limit.lift()
    await goOnAndLeave(scene, agent, ends)
  },
}

export const strandedWriter: Scenario = {
  name: 'an edge-triggered writer goes on once its memory cgroup has room again',
  pods: 1,
  run: async (scene) => {
    const { mesh } = scene
    const agent = await scene.startAgent()
    using limit = new MemoryLimit(`meshaccel-test-${mesh.id}-memory`, mesh.cgroup)
    await using ends = mesh
      .pod(0)
      .run<Answer>('limited', [limit.path, limit.home, String(CONNECTIONS)])
    await joinAll(agent, ends, CONNECTIONS)
    limit.set(LIMIT)
    await ask(ends, 'fill')
    const { value: stranded } = await ask(ends, 'strand')
    scene.say(`${stranded} refused although nothing is under way`)
    // A kernel may let them pass, such as 6.1. Then there is nothing to see in this guest.
    const mayPass = ready !== undefined
    scene.check('some are refused although nothing is under way', stranded > 0 || mayPass)
    limit.lift()
    const freed = await ask(ends, `free ${deadline(READER_MS)}`)
    scene.check('each may write again', freed.value === stranded, `${freed.value} of ${stranded}`)
    await goOnAndLeave(scene, agent, ends)
  },
}
