import { spawnSync } from 'node:child_process'
import { type AgentProcess, cli } from '../../../helpers/agent-process.ts'
import { patience, until } from '../../../helpers/retry.ts'
import { Asking } from '../asking.ts'
import type { Scenario, Scene } from '../scenario.ts'
import { whileStopped } from '../while-stopped.ts'

/** Small, so that concurrent requests exceed it. */
const CAP = 4096
const AT_ONCE = 100

async function hasUnread(agent: AgentProcess): Promise<void> {
  await until('redirected bytes wait for the reader', async () =>
    (await agent.flows()).some(({ directions }) =>
      directions.some(({ unreadBytes }) => unreadBytes > 0),
    ),
  )
}

async function noReset(scene: Scene, agent: AgentProcess): Promise<void> {
  const { reasons } = await agent.status()
  scene.check('nothing is reset', reasons['reset'] === 0n, `${reasons['reset']} are`)
}

export const stoppedReader: Scenario = {
  name: 'a reader that is stopped over redirected bytes reads on, also when its pod is disabled meanwhile',
  run: async (scene) => {
    const { mesh } = scene
    const agent = await scene.startAgent('--cap', String(CAP))
    await using asking = await Asking.start(mesh.pod(0), mesh.pod(1))
    for (const meanwhile of ['nothing', 'disable', 'burst'] as const) {
      await asking.joins(agent)
      let answers = Promise.resolve<unknown>(undefined)
      await whileStopped(asking.serverPid, async () => {
        answers = asking.ask(1, meanwhile === 'burst' ? AT_ONCE : 1)
        await hasUnread(agent)
        if (meanwhile !== 'disable') return
        mesh.enable(mesh.pod(1), false)
        await until('it leaves', async () =>
          (await agent.flows()).some(({ state }) => state === 'leaving'),
        )
      })
      await answers
      await asking.ask(20)
      if (meanwhile === 'disable') {
        await until('all are back on TCP', async () =>
          (await agent.flows()).every(({ state }) => state === 'watched'),
        )
        mesh.enable(mesh.pod(1), true)
      }
      scene.check(`it reads on (meanwhile: ${meanwhile})`, true)
    }
    await noReset(scene, agent)
  },
}

export const stoppedWriter: Scenario = {
  name: 'a writer that is stopped in its midst writes on',
  run: async (scene) => {
    const { mesh } = scene
    const agent = await scene.startAgent()
    await using asking = await Asking.start(mesh.pod(0), mesh.pod(1))
    await asking.joins(agent)
    const pid = await asking.clientPid()
    const stopsInTurn = async (): Promise<void> => {
      for (const enabled of [false, true, false, true]) {
        await whileStopped(pid, async () => {
          mesh.enable(mesh.pod(0), enabled)
          // The writer also reads. While an answer is unread, its connection cannot leave until it continues.
          await until('nothing joins or stays joined', async () =>
            (await agent.flows()).every(
              ({ state }) => enabled || state === 'leaving' || state === 'watched',
            ),
          )
        })
        if (enabled) continue
        await until('all are back on TCP', async () =>
          (await agent.flows()).every(({ state }) => state === 'watched'),
        )
      }
    }
    await Promise.all([asking.ask(2000), stopsInTurn()])
    await asking.joins(agent)
    await noReset(scene, agent)
  },
}

export const stoppedAgent: Scenario = {
  name: 'while the agent is stopped no reader waits, not even one that asks FIONREAD over the cap',
  run: async (scene) => {
    const { mesh } = scene
    const agent = await scene.startAgent('--cap', String(CAP))
    await using asking = await Asking.start(mesh.pod(0), mesh.pod(1))
    await asking.joins(agent)
    await whileStopped(agent.pid, async () => {
      // The agent counts as absent after a second, and as dead after five.
      const begin = performance.now()
      for (let round = 0; performance.now() - begin < 7000 || round < 20; round++) {
        const { worstUs } = await asking.ask(2, round % 2 === 0 ? AT_ONCE : 5 * AT_ONCE)
        if (worstUs > 5_000_000 * patience) {
          scene.check('no answer takes five seconds', false, `one took ${worstUs} us`)
        }
      }
      await asking.renew()
      await asking.ask(20)
    })
    await asking.joins(agent)
    await noReset(scene, agent)
  },
}

/** A pod may give its processes any name. */
export const controlCharacters: Scenario = {
  name: 'a name with control characters reaches no terminal',
  run: async (scene) => {
    const { mesh } = scene
    const agent = await scene.startAgent()
    const through = ['env', 'ASKER_NAME=a\u001b[2J\nb\u009b1m']
    await using asking = await Asking.start(mesh.pod(0), mesh.pod(1), { through })
    await asking.joins(agent)
    let answers = Promise.resolve<unknown>(undefined)
    await whileStopped(asking.serverPid, async () => {
      answers = asking.ask(1)
      await hasUnread(agent)
      for (const command of ['drain --timeout 1', 'readers', 'flows', 'explain shop/pod-2']) {
        const args = [...command.split(' '), '--socket', mesh.socket]
        const { stdout, stderr } = spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8' })
        for (const [where, text] of Object.entries({ stdout, stderr })) {
          // oxlint-disable-next-line no-control-regex -- it is what this looks for
          const raw = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/.test(text)
          scene.check(`${command}: ${where} has no control character`, !raw, JSON.stringify(text))
        }
      }
    })
    await answers
  },
}
