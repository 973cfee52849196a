import { type AgentProcess, allRedirected } from '../../../helpers/agent-process.ts'
import { patience, until } from '../../../helpers/retry.ts'
import { Asking } from '../asking.ts'
import { heldBy, unwatched } from '../held.ts'
import type { Scenario, Scene } from '../scenario.ts'

const CONNECTIONS = 100
const ROUNDS = patience > 1 ? 4 : 20
/** The number of turns before a new connection may join. */
const TURNS = 6

/** The kernel reuses the memory of closed sockets at once, for connections that join while the old ones leave. */
export const reusedSockets: Scenario = {
  name: 'each member is watched for splice, and nothing else is, while sockets are reused',
  pods: 3,
  run: async (scene) => {
    const { mesh } = scene
    const agent = await scene.startAgent()
    const options = { connections: CONNECTIONS }
    await using churning = await Asking.start(mesh.pod(0), mesh.pod(1), options)
    await using toggled = await Asking.start(mesh.pod(0), mesh.pod(2), { ...options, port: 7301 })
    for (let round = 0; round < ROUNDS; round++) {
      // Members close while they leave, and the next connections get their memory.
      mesh.enable(mesh.pod(2), round % 2 === 1)
      await Promise.all([toggled.renew(), churning.renew()])
      await Promise.all([toggled.ask(TURNS), churning.ask(TURNS)])
      if (round % 4 === 0) await churning.ask(TURNS)
    }
    mesh.enable(mesh.pod(2), true)
    await allJoin(agent, [churning, toggled])
    await judge(scene, agent)
  },
}

/** Waits until no connection joins or leaves. */
async function judge(scene: Scene, agent: AgentProcess): Promise<void> {
  let found = unwatched(heldBy(scene.mesh))
  const { joins, leaves } = agent.counters()
  await until(
    'the watch is whole',
    () => {
      found = unwatched(heldBy(scene.mesh))
      return found.missing.length === 0 && found.foreign.length === 0
    },
    { attempts: 30 },
  ).catch(() => undefined)
  const { ends, members } = heldBy(scene.mesh)
  const live = ends.filter(({ member }) => member).length
  scene.say(
    `${joins} joins, ${leaves} leaves; ${found.missing.length} of ${live} members unwatched`,
  )
  scene.check('each member is watched', found.missing.length === 0, found.missing.join(', '))
  scene.check('nothing else is watched', found.foreign.length === 0, found.foreign.join(', '))
  scene.check('the sockhash has these members alone', members === live, `${members}, not ${live}`)
}

async function allJoin(agent: AgentProcess, all: readonly Asking[]): Promise<void> {
  await until('all join', async () => {
    for (const each of all) await each.ask(TURNS)
    return allRedirected(await agent.flows(), all.length * CONNECTIONS)
  })
}
