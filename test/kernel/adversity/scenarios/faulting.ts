/** A program with a page fault inside recv() or send(), which holds its socket's lock. */
import { ask } from '../ask.ts'
import {
  type Answer,
  deadline,
  type Ends,
  goOnAndLeave,
  joinAll,
  READER_MS,
  takeTurns,
  within,
} from '../both-ends.ts'
import type { AgentProcess } from '../../../helpers/agent-process.ts'
import type { Scenario } from '../scenario.ts'

/** The longest send while the lock of the peer is held. On TCP it takes no time. */
const SEND_MS = 1000
/** The agent gives new members of the same pod their settings meanwhile. */
const OTHERS = 8

export const heldByReader: Scenario = held('recv', 'fault')

/** A send copies from the page under the same lock. */
export const heldByWriter: Scenario = held('send', 'fault-in-send')

function held(where: string, fault: string): Scenario {
  return {
    name: `a program that page-faults in ${where} holds neither the agent nor, for long, its peer`,
    pods: 1,
    run: async (scene) => {
      const agent = await scene.startAgent()
      const pod = scene.mesh.pod(0)
      await using ends = pod.run<Answer>('faulting-ends')
      await joinAll(agent, ends, 1)
      await using others = pod.run<Answer>('uncounted')
      const { value } = await ask(ends, fault)
      scene.check('it faults', value === 1)
      const first = await ask(ends, `send ${SEND_MS}`)
      scene.say(`the first send: ${told(first)}`)
      try {
        const answered = await answersWhileOthersJoin(agent, others)
        scene.check('the agent answers meanwhile', answered !== undefined, 'status hangs')
        scene.say(`the slowest status took ${answered} ms`)
        const sends: string[] = []
        const goesOn = await within(SEND_MS, async () => {
          const sent = await ask(ends, `send ${SEND_MS}`)
          sends.push(told(sent))
          return sent.value >= 0
        })
        scene.say(`sends after that: ${sends.join(', ')}`)
        scene.check('only some sends wait for the lock', goesOn, sends.join(', '))
      } finally {
        const released = await ask(ends, 'release')
        scene.check(
          'every byte arrives once the page is there',
          released.value === 1,
          JSON.stringify(released),
        )
      }
      await goOnAndLeave(scene, agent, ends)
    },
  }
}

/** The duration of the slowest status in ms while the others joined; undefined if one timed out. */
async function answersWhileOthersJoin(
  agent: AgentProcess,
  others: Ends,
): Promise<number | undefined> {
  let slowest = 0
  let joined = 0n
  const before = agent.counters().joins
  await within(2000, async () => {
    await takeTurns(others, 10)
    const begin = performance.now()
    const status = await Promise.race([agent.status(), late(deadline(READER_MS))])
    if (status === undefined) slowest = Infinity
    slowest = Math.max(slowest, Math.round(performance.now() - begin))
    joined = agent.counters().joins - before
    return slowest === Infinity || joined >= BigInt(OTHERS)
  })
  return slowest === Infinity ? undefined : slowest
}

function late(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(resolve, ms, undefined))
}

function told({ value }: Answer): string {
  return value < 0 ? `not back after ${SEND_MS} ms` : `${value} ms`
}
