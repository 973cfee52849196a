/** A socket that disconnects with redirected bytes unread, and connects again. */
import { ask } from '../ask.ts'
import { type Answer, goOnAndLeave, joinAll, joinOrStay } from '../both-ends.ts'
import type { Scenario } from '../scenario.ts'

const UNREAD = 1000
const FRESH = 500

export const reconnected: Scenario = {
  name: 'bytes of an old connection never reach a new one of the same socket',
  pods: 1,
  run: async (scene) => {
    const pod = scene.mesh.pod(0)
    await using plain = pod.run<Answer>('disconnect')
    await ask(plain, 'turns 10 10000')
    const wanted = await ask(plain, `disconnect ${UNREAD}`)

    const agent = await scene.startAgent()
    await using ends = pod.run<Answer>('disconnect')
    // The plain connection is no longer part of the scenario.
    await plain[Symbol.asyncDispose]()
    await joinAll(agent, ends, 1)
    const { value, error } = await ask(ends, `disconnect ${UNREAD}`)
    scene.check(
      'a receive while disconnected answers as on TCP',
      value === wanted.value && error === wanted.error,
      `${value} bytes, errno ${error}; TCP: ${wanted.value} bytes, errno ${wanted.error}`,
    )
    const fresh = await ask(ends, `reconnect ${FRESH}`).catch(() => undefined)
    scene.check(
      'the new connection reads its own bytes',
      fresh?.value === 1,
      fresh === undefined ? ends.stderr : JSON.stringify(fresh),
    )
    if (!fresh) return
    scene.say(await joinOrStay(agent, ends, ['claimed-elsewhere']))
    await goOnAndLeave(scene, agent, ends)
  },
}
