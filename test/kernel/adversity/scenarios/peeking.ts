/** Readers that peek at more than a byte. Redirected bytes hide later TCP bytes from a peek. */
import { tally } from '../../../helpers/agent-process.ts'
import { ask } from '../ask.ts'
import { type Answer, deadline, joinAll, joinOrStay, READER_MS, scans } from '../both-ends.ts'
import type { Scenario } from '../scenario.ts'

const RECORD = 5

export const peekerBeforeJoin: Scenario = {
  name: 'a reader that peeks at records stays on TCP',
  pods: 1,
  run: async (scene) => {
    const agent = await scene.startAgent()
    await using ends = scene.mesh.pod(0).run<Answer>('peeking')
    await ask(ends, 'turns 2 10000')
    await ask(ends, `send ${RECORD}`)
    const { value } = await ask(ends, `record ${RECORD} ${deadline(READER_MS)}`)
    scene.check('it sees the record', value === RECORD, `${value}`)
    const stays = await joinOrStay(agent, ends, ['peeks'])
    scene.check('its connection stays on TCP', stays.includes('watched peeks'), stays)
  },
}

export const peekerTurns: Scenario = {
  name: 'a member whose reader turns to peeking does not wait over its bytes',
  pods: 1,
  run: async (scene) => {
    const agent = await scene.startAgent()
    await using ends = scene.mesh.pod(0).run<Answer>('peeking')
    await joinAll(agent, ends, 1)
    await ask(ends, 'send 2')
    const early = await ask(ends, `record ${RECORD} 200`)
    scene.check('the record is not complete', early.value === -1, `${early.value}`)
    // The rest goes by TCP.
    scene.mesh.enable(scene.mesh.pod(0), false)
    await scans(scene.mesh, 5)
    await ask(ends, `send ${RECORD - 2}`)
    const { value } = await ask(ends, `record ${RECORD} ${deadline(READER_MS)}`)
    scene.say(`${value}: ${tally(await agent.flows())}`)
    scene.check('it sees the record, or an error', value >= 0, `${value}`)
  },
}

export const peekerWaits: Scenario = {
  name: 'a member whose reader turns to a peek with MSG_WAITALL sees all, or an error',
  pods: 1,
  blockingReaders: 'accelerate',
  run: async (scene) => {
    const agent = await scene.startAgent()
    await using ends = scene.mesh.pod(0).run<Answer>('peeking')
    await joinAll(agent, ends, 1)
    const { value } = await ask(ends, 'wait')
    const after = await ask(ends, `record ${RECORD} ${deadline(READER_MS)}`)
    scene.say(`${value}, then ${after.value}`)
    scene.check(
      'all, or an error',
      value === RECORD || after.value === 0,
      `${value}, ${after.value}`,
    )
  },
}
