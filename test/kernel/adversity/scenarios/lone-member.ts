import { execFileSync } from 'node:child_process'
import { cli } from '../../../helpers/agent-process.ts'
import { patience } from '../../../helpers/retry.ts'
import { Asking, plainly } from '../asking.ts'
import { Foreign } from '../foreign.ts'
import type { Scenario, Scene } from '../scenario.ts'

const PORT = 7301
const CONNECTIONS = 8
/** Two times two hundred requests: enough for some seconds of joins. */
const ROUNDS = 20
/** The maximum number of attempts of a join that cannot succeed. */
const TRIES = 4

/** The servers' sockets are in another agent's sockhash. So only one end can enter ours. */
function loneMember(order: 'before' | 'after'): Scenario {
  return {
    name: `connections of which another agent, attached ${order} ours, holds one end stay on TCP, and wait for nothing`,
    pods: 3,
    run: async (scene) => {
      const { mesh } = scene
      if (order === 'after') await scene.startAgent()
      using claims = Foreign.claims(mesh, { port: PORT })
      if (order === 'before') await scene.startAgent()
      const { pods } = mesh
      // The third pod is not enrolled: its requests take TCP, on the same machine at the same time.
      const third = mesh.pod(2)
      mesh.enable(third, false)
      await using plain = await Asking.start(third, third, { connections: CONNECTIONS })
      await using asking = await Asking.start(pods[0] ?? third, pods[1] ?? third, {
        connections: CONNECTIONS,
        port: PORT,
        through: plainly,
      })
      const slow = { plain: 0, claimed: 0 }
      const worst = { plain: 0, claimed: 0 }
      for (let round = 0; round < ROUNDS * (patience > 1 ? 1 : 4); round++) {
        for (const [name, one] of [
          ['plain', plain],
          ['claimed', asking],
        ] as const) {
          const answered = await one.ask(10)
          slow[name] += answered.slow
          worst[name] = Math.max(worst[name], answered.worstUs)
        }
      }
      await judge(scene, claims, slow, worst)
    },
  }
}

async function judge(
  scene: Scene,
  claims: ReturnType<typeof Foreign.claims>,
  slow: { plain: number; claimed: number },
  worst: { plain: number; claimed: number },
): Promise<void> {
  const { mesh } = scene
  const [claimed, refused, messages] = (['claimed', 'refused', 'messages'] as const).map((name) =>
    claims.count(name),
  )
  scene.say(
    `worst answer ${worst.claimed} us, on TCP ${worst.plain} us; ${slow.claimed} and ${slow.plain} over 300 ms`,
  )
  scene.say(`${claimed} claimed, ${refused} refused, ${messages} messages of theirs`)
  scene.check('the other agent has its sockets', claimed === CONNECTIONS && refused === 0)
  const { reasons }: { reasons: Record<string, string> } = JSON.parse(show(mesh.socket, 'status'))
  scene.say(`reasons: ${JSON.stringify(reasons)}`)
  const timeouts = Number(reasons['join-timeout'] ?? 0)
  // An answer has no other reason to wait: a lone member's bytes stay unread until its join times out.
  scene.check('none is a lone member until a time-out', timeouts === 0, `${timeouts} time-outs`)
  const tries = Number(reasons['claimed-elsewhere'] ?? 0)
  scene.check('it is tried again rarely', tries <= TRIES * CONNECTIONS, `${tries} tries`)
  for (const command of ['reasons', 'flows']) {
    const shown = show(mesh.socket, command)
    scene.check(`${command} names the reason`, shown.includes('claimed-elsewhere'), shown)
  }
  scene.check('their verdict sees each answer', (messages ?? 0) > 0, `${messages} messages`)
}

function show(socket: string, command: string): string {
  const args = [cli, command, '--socket', socket, '-o', 'json']
  return execFileSync(process.execPath, args, { encoding: 'utf8', timeout: 60_000 * patience })
}

export const loneMemberBefore: Scenario = loneMember('before')
export const loneMemberAfter: Scenario = loneMember('after')
