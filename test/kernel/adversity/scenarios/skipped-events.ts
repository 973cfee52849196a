import type { AgentProcess } from '../../../helpers/agent-process.ts'
import { tally } from '../../../helpers/agent-process.ts'
import { patience, until } from '../../../helpers/retry.ts'
import { Asking } from '../asking.ts'
import type { Scenario, Scene } from '../scenario.ts'
import type { Skips } from '../skipping-version.ts'

const CONNECTIONS = 16
const TOGGLES = patience > 1 ? 2 : 5
const RENEWALS = patience > 1 ? 3 : 10

function skippedReceives(permille: number): Scenario {
  return {
    name: `of a thousand receives ${permille} are not seen: all connections join and leave, again and again`,
    skips: { received: permille },
    run: async (scene) => {
      const { mesh } = scene
      const agent = await scene.startAgent()
      await using asking = await Asking.start(mesh.pod(0), mesh.pod(1), {
        connections: CONNECTIONS,
      })
      for (let time = 1; time <= TOGGLES; time++) {
        await tryTo(scene, agent, `join, time ${time}`, () => asking.joins(agent))
        // More receives, some of them unseen, on members.
        await asking.ask(200)
        mesh.enable(mesh.pod(1), false)
        await tryTo(scene, agent, `leave, time ${time}`, () => allLeave(agent, asking))
        mesh.enable(mesh.pod(1), true)
      }
      await tryTo(scene, agent, 'join once more', () => asking.joins(agent))
    },
  }
}

/** No reader stays `unaccounted` for ever because of a skipped event. */
async function noneBarred(scene: Scene, agent: AgentProcess): Promise<void> {
  const { readers } = await agent.client.call('Readers', {})
  const barred = readers.reduce(
    (n, { connections }) => n + (connections.unproven['unaccounted'] ?? 0),
    0,
  )
  scene.check('no connection is barred as unaccounted', barred === 0, `${barred} ends are`)
}

async function allLeave(agent: AgentProcess, asking: Asking): Promise<void> {
  let flows = await agent.flows()
  await until(
    'all leave',
    async () => {
      // Traffic continues meanwhile: nothing may wait for it or because of it.
      await asking.ask(1)
      flows = await agent.flows()
      return flows.every(({ state }) => state === 'watched')
    },
    { attempts: 100 },
  ).catch((cause: unknown) => {
    throw new Error(tally(flows), { cause })
  })
}

async function tryTo(
  scene: Scene,
  agent: AgentProcess,
  what: string,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work()
    scene.check(what, true)
  } catch (error) {
    scene.check(what, false, `${String(error)} ${tally(await agent.flows())}`)
    await noneBarred(scene, agent)
    throw error
  }
}

function skippedCloses(skips: Skips): Scenario {
  return {
    name: `of a thousand closes ${skips.closed} are not seen: each connection gives back all that it held`,
    skips,
    run: async (scene) => {
      const { mesh } = scene
      const agent = await scene.startAgent()
      await using asking = await Asking.start(mesh.pod(0), mesh.pod(1), {
        connections: CONNECTIONS,
      })
      for (let time = 1; time <= RENEWALS; time++) {
        await tryTo(scene, agent, `join, time ${time}`, () => someJoin(agent, asking))
        await asking.renew()
      }
    },
  }
}

/** Leaked slots do not keep other connections from joining. */
async function someJoin(agent: AgentProcess, asking: Asking): Promise<void> {
  const { joins } = agent.counters()
  await until('all join', async () => {
    await asking.ask(10)
    return agent.counters().joins >= joins + BigInt(asking.connections)
  })
}

export const fewReceivesSkipped: Scenario = skippedReceives(4)
export const manyReceivesSkipped: Scenario = {
  ...skippedReceives(20),
  byNameOnly: 'it takes half a minute: npm test has no time for it',
}
export const closesSkipped: Scenario = skippedCloses({ closed: 100 })
export const allClosesSkipped: Scenario = skippedCloses({ closed: 1000 })
