import { until } from '../../../helpers/retry.ts'
import { Asking } from '../asking.ts'
import { Foreign } from '../foreign.ts'
import type { Scenario, Scene } from '../scenario.ts'

const REQUESTS = 100

type Options = ReturnType<typeof Foreign.options>

/** Another agent writes an option into each packet, before, during and after ours, with pods enrolled and without. */
export const foreignOptions: Scenario = {
  name: 'the TCP options of another agent are all written, whether pods are enrolled or not',
  enabled: false,
  run: async (scene) => {
    const { mesh } = scene
    using options = Foreign.options(mesh)
    await written(scene, options, 'before ours')
    const agent = await scene.startAgent()
    await written(scene, options, 'with ours, no pod enrolled')
    for (const pod of mesh.pods) mesh.enable(pod, true)
    await until('they are enrolled', async () => (await agent.status()).pods.enrolled === 2)
    await written(scene, options, 'with ours, pods enrolled', (asking) => asking.joins(agent))
    await agent.kill('SIGKILL')
    await written(scene, options, 'with our pins and no agent')
    await scene.startAgent()
  },
}

/** The other agent clears our flags when it sets its own. */
export const overwrittenFlags: Scenario = {
  name: 'an agent that overwrites the flags of others does no harm',
  run: async (scene) => {
    const { mesh } = scene
    const earlier = Foreign.options(mesh, { overwrites: true })
    const agent = await scene.startAgent()
    const joined = (asking: Asking): Promise<void> => asking.joins(agent)
    try {
      await written(scene, earlier, 'with flags overwritten by a program before ours', joined)
    } finally {
      earlier[Symbol.dispose]()
    }
    // One at a time, because a header holds each option once.
    const later = Foreign.options(mesh, { overwrites: true })
    try {
      await written(scene, later, 'with flags overwritten by a program after ours', joined)
    } finally {
      later[Symbol.dispose]()
    }
    // It wants the very flags that we want. A connection that stays on TCP gives up our calls.
    using same = Foreign.options(mesh)
    await written(scene, same, 'with the same flags, and back on TCP', async (asking) => {
      await joined(asking)
      for (const pod of mesh.pods) mesh.enable(pod, false)
      await until('they have left', async () =>
        (await agent.flows()).every(({ state }) => state === 'watched'),
      )
    })
    await until('all are gone', async () => (await agent.flows()).length === 0)
  },
}

/** A hundred requests on separate connections. No socket loses the flag, and no packet lacks its option. */
export async function written(
  scene: Pick<Scene, 'mesh' | 'say' | 'check'>,
  options: Options,
  when: string,
  first: (asking: Asking) => Promise<void> = async () => undefined,
): Promise<void> {
  const look = (): { closed: number; lost: number; packets: number; done: number } => ({
    closed: options.count('closed'),
    lost: options.count('lost'),
    packets: options.count('packets'),
    done: options.count('written'),
  })
  const begin = look()
  const connections = 4
  {
    await using asking = await Asking.start(scene.mesh.pod(0), scene.mesh.pod(1), { connections })
    await first(asking)
    await asking.ask(REQUESTS / connections)
  }
  const all = 2 * connections
  await until('its sockets are closed', () => look().closed - begin.closed >= all)
  const end = look()
  const lost = end.lost - begin.lost
  const packets = end.packets - begin.packets
  const done = end.done - begin.done
  const found = `${done} options in ${packets} packets with data, ${lost} of ${all} sockets lost the flag`
  scene.say(`${when}: ${found}`)
  scene.check(`${when}: no socket loses its flag`, lost === 0, found)
  scene.check(`${when}: each packet has its option`, done >= packets, found)
}
