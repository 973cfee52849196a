import { readFileSync, writeFileSync } from 'node:fs'
import { until } from '../../../helpers/retry.ts'
import { Asking } from '../asking.ts'
import { attended } from '../held.ts'
import type { Scenario } from '../scenario.ts'

const TCP_MEM = '/proc/sys/net/ipv4/tcp_mem'
/** Enough to hold some kernel pages. */
const AT_ONCE = 200

/** The limit is the node's, so only guests may change it. */
export const memoryPressure: Scenario = {
  name: 'members of a node whose TCP memory is short are left alone by the scan once they are at rest',
  guestOnly: true,
  pods: 3,
  run: async (scene) => {
    const { mesh } = scene
    const before = readFileSync(TCP_MEM, 'utf8')
    const [, ...rest] = before.trim().split(/\s+/)
    writeFileSync(TCP_MEM, ['1', ...rest].join(' '))
    try {
      mesh.enable(mesh.pod(2), false)
      const agent = await scene.startAgent()
      await using holding = await Asking.start(mesh.pod(2), mesh.pod(2), { connections: 16 })
      await using asking = await Asking.start(mesh.pod(0), mesh.pod(1), { connections: 16 })
      await asking.ask(50)
      process.kill(holding.serverPid, 'SIGSTOP')
      const answers = holding.ask(1, AT_ONCE)
      await until('the node is above its limit', async () => {
        await asking.ask(10)
        return ((await agent.status()).reasons['tcp-memory'] ?? 0n) > 0n
      })
      let looks: number[] = []
      const atRest = await until('they are at rest', () => {
        looks = [...looks, attended(mesh)].slice(-10)
        return looks.length === 10 && looks.every((count) => count === 0)
      }).catch(() => false)
      scene.check('no member is attended by each scan', atRest, `attended: ${looks.join(' ')}`)
      process.kill(holding.serverPid, 'SIGCONT')
      await answers
    } finally {
      writeFileSync(TCP_MEM, before)
    }
  },
}
