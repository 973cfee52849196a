import { until } from '../../../helpers/retry.ts'
import { Asking, plainly } from '../asking.ts'
import { Foreign } from '../foreign.ts'
import type { Scenario } from '../scenario.ts'

const CONNECTIONS = 4
const PORT = 7302

/** The server's ends of redirected members enter another agent's sockhash, which the kernel permits. */
export const takenMember: Scenario = {
  name: 'members that another agent takes into a sockhash of its own leave, say why, and stay with it',
  run: async (scene) => {
    const { mesh } = scene
    const [client, server] = mesh.pods
    if (!client || !server) throw new Error('there are no pods')
    const agent = await scene.startAgent()
    // If the kernel's FIONREAD is wrong, it stays wrong for the other agent's sockets.
    await using asking = await Asking.start(client, server, {
      connections: CONNECTIONS,
      port: PORT,
      through: plainly,
    })
    await asking.joins(agent)
    using takes = Foreign.takes({ port: PORT })
    takes.take(server)
    scene.check('the other agent has them', takes.held() === CONNECTIONS, `${takes.held()}`)
    const flows = await until(
      'they leave',
      async () => {
        await asking.ask(10)
        const now = await agent.flows()
        return now.every(({ state }) => state === 'watched') && now
      },
      { pauseMs: 50, attempts: 1200 },
    )
    const reasons = flows.flatMap(({ directions }) => directions.map(({ reason = '' }) => reason))
    scene.check(
      'each direction tells why',
      reasons.every((reason) => reason === 'claimed-elsewhere'),
      reasons.join(),
    )
    // Enough turns for several joins.
    for (let round = 0; round < 20; round++) await asking.ask(10)
    const { reasons: counts } = await agent.status()
    const left = counts['claimed-elsewhere'] ?? 0n
    scene.check('none is tried again at once', left <= 3n * BigInt(CONNECTIONS), `${left} times`)
    scene.check('the other agent has them still', takes.held() === CONNECTIONS, `${takes.held()}`)
  },
}
