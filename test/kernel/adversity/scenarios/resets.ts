import { cpus } from 'node:os'
import { heldBy } from '../held.ts'
import type { Scenario, Scene } from '../scenario.ts'
import { ask } from '../ask.ts'
import { patience, until } from '../../../helpers/retry.ts'

const CONNECTIONS = 400
const ROUNDS = patience > 1 ? 5 : 60

/** Some close events are skipped: an arriving reset interrupts the program that handles a close. */
export const resets: Scenario = {
  name: 'thousands of resets under receive packet steering leave nothing behind',
  pods: 1,
  run: async (scene) => {
    const { mesh } = scene
    const agent = await scene.startAgent()
    steer(scene)
    await using child = mesh.pod(0).run<{ event: string }>('resets', [String(CONNECTIONS)])
    for (let round = 0; round < ROUNDS; round++) {
      const { joins } = agent.counters()
      await ask(child, 'open')
      await ask(child, 'turn')
      await until('they join', () => agent.counters().joins >= joins + BigInt(CONNECTIONS / 2), {
        pauseMs: 10,
        attempts: 100,
      }).catch(() => undefined)
      await ask(child, 'reset')
    }
    const { watched, closed, joins } = agent.counters()
    const { states, claims } = heldBy(mesh)
    scene.say(`${joins} joins; ${watched - closed} of ${watched} closes are unseen at first`)
    scene.say(`held at first: ${JSON.stringify(states)}, ${claims} claims`)
    scene.check('a quarter joins', joins > BigInt((ROUNDS * CONNECTIONS) / 4), `${joins} joins`)
  },
}

/** Has every processor handle packets of the pod's loopback. */
export function steer({ mesh }: Pick<Scene, 'mesh'>): void {
  // Only a /sys that is mounted inside the namespace lists the pod's devices.
  const all = (2 ** cpus().length - 1).toString(16)
  const set = `mount -t sysfs sys /sys && echo ${all} > /sys/class/net/lo/queues/rx-0/rps_cpus`
  mesh.pod(0).exec('unshare', '-m', 'sh', '-c', set)
}
