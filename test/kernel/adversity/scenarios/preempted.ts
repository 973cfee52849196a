import { tally } from '../../../helpers/agent-process.ts'
import { patience, until } from '../../../helpers/retry.ts'
import { Asking } from '../asking.ts'
import type { Scenario } from '../scenario.ts'

/** The time is bounded, because the load keeps all other work from the processors. */
const SECONDS = 10 * Math.min(patience, 3)
const CONNECTIONS = 4

/** Since Linux 7.0 a preempted program makes its processor skip it for others. */
export const preempted: Scenario = {
  byNameOnly: 'it takes a kernel whose tracing programs can be preempted (7.0)',
  name: 'receivers that real-time threads preempt are all joined, none is barred, and all leave',
  run: async (scene) => {
    const { mesh } = scene
    const agent = await scene.startAgent()
    const options = [0, 1, 2, 3].map((n) => ({ connections: CONNECTIONS, port: 7300 + n }))
    const all: Asking[] = []
    try {
      for (const each of options) all.push(await Asking.start(mesh.pod(0), mesh.pod(1), each))
      await using disturbing = mesh.pod(0).run<{ event: string }>('preempt', [String(SECONDS)])
      await disturbing.take('ready')
      let asked = 0
      while (!disturbing.over) {
        await Promise.all(all.map((each) => each.ask(200)))
        asked += 200
      }
      scene.say(`${asked} requests on each of ${all.length * CONNECTIONS} connections`)
      const join = async (): Promise<boolean> => {
        for (const each of all) await each.ask(10)
        const flows = await agent.flows()
        return flows.every(({ directions }) => directions.every(({ path }) => path === 'redirect'))
      }
      const joined = await until('all join', join).catch(() => false)
      const { readers } = await agent.client.call('Readers', {})
      const unproven = JSON.stringify(readers.map(({ connections }) => connections.unproven))
      scene.check('all are joined', joined, `${tally(await agent.flows())} ${unproven}`)
      scene.check('none is barred', !unproven.includes('unaccounted'), unproven)
      mesh.enable(mesh.pod(1), false)
      const left = await until('all leave', async () => {
        for (const each of all) await each.ask(1)
        return (await agent.flows()).every(({ state }) => state === 'watched')
      }).catch(() => false)
      scene.check('all leave', left, tally(await agent.flows()))
    } finally {
      for (const each of all) await each[Symbol.asyncDispose]()
    }
  },
}
