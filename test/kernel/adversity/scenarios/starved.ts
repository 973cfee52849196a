import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { until } from '../../../helpers/retry.ts'
import { askerThrough, Asking } from '../asking.ts'
import type { Scenario, Scene } from '../scenario.ts'

const CONNECTIONS = 64

function limitDescriptors(pid: number, descriptors: number | 'unlimited'): void {
  const soft = descriptors === 'unlimited' ? 4096 : descriptors
  execFileSync('prlimit', [`--pid=${pid}`, `--nofile=${soft}:`])
}

const descriptorsOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length

export const applicationWithoutDescriptors: Scenario = {
  name: 'a server that runs out of descriptors answers, once it has some, all that wait',
  run: async (scene) => {
    const { mesh } = scene
    const agent = await scene.startAgent()
    await using few = await Asking.start(mesh.pod(0), mesh.pod(1), { connections: 4 })
    await few.joins(agent)
    limitDescriptors(few.serverPid, descriptorsOf(few.serverPid) + 8)
    const args = ['client', mesh.pod(1).address, '7300', String(CONNECTIONS)]
    const client = mesh.pod(0).run<{ event: string }>('asker', args, askerThrough())
    await using waiting = client
    // Established but not accepted: sockets without a file.
    waiting.write('ask 20\n')
    await until('they are watched', async () => (await agent.flows()).length >= CONNECTIONS)
    await few.ask(50)
    limitDescriptors(few.serverPid, 'unlimited')
    await waiting.take('ask')
    scene.check('all are answered', true)
  },
}

export const agentWithoutDescriptors: Scenario = {
  name: 'an agent that runs out of descriptors harms nobody, and goes on once it has some',
  run: async (scene) => {
    const { mesh } = scene
    const agent = await scene.startAgent()
    await using asking = await Asking.start(mesh.pod(0), mesh.pod(1))
    await asking.joins(agent)
    const { leaves } = agent.counters()
    limitDescriptors(agent.pid, 3)
    try {
      mesh.enable(mesh.pod(1), false)
      for (let round = 0; round < 10; round++) {
        await asking.ask(50)
        await asking.ask(2, 100)
      }
      await asking.renew()
      await asking.ask(50)
    } finally {
      limitDescriptors(agent.pid, 'unlimited')
    }
    await until('it acts upon the pods file', async () =>
      (await agent.flows()).every(({ state }) => state === 'watched'),
    )
    mesh.enable(mesh.pod(1), true)
    await asking.joins(agent)
    scene.say(`${agent.counters().leaves - leaves} leaves`)
  },
}

/** Programs and agent get a hundredth of a processor's time. */
export const throttled: Scenario = {
  byNameOnly: 'it takes half a minute: npm test has no time for it',
  name: 'programs and an agent that are throttled lose nothing and join',
  run: async (scene) => {
    const { mesh } = scene
    const agent = await scene.startAgent()
    await using asking = await Asking.start(mesh.pod(0), mesh.pod(1), { connections: 4 })
    await asking.joins(agent)
    const pids = [asking.serverPid, await asking.clientPid()]
    for (const [who, slowed] of [
      ['programs', pids],
      ['the agent', [agent.pid]],
    ] as const) {
      await slowly(scene, slowed, async () => {
        for (let round = 0; round < 10; round++) {
          mesh.enable(mesh.pod(1), round % 2 === 1)
          await asking.ask(10)
          await asking.ask(1, 100)
        }
      })
      mesh.enable(mesh.pod(1), true)
      await asking.joins(agent)
      scene.check(`${who} throttled: all is answered, and all join`, true)
    }
    const { reasons } = await agent.status()
    scene.check('nothing is reset', reasons['reset'] === 0n, `${reasons['reset']} are`)
  },
}

async function slowly(
  { mesh }: Scene,
  pids: readonly number[],
  work: () => Promise<void>,
): Promise<void> {
  const v1 = '/sys/fs/cgroup/cpu'
  const isV1 = existsSync(join(v1, 'cpu.cfs_quota_us'))
  const parent = dirname(mesh.cgroup)
  if (!isV1) writeFileSync(join(parent, 'cgroup.subtree_control'), '+cpu')
  // In cgroup v2 a program must stay in the mesh's cgroup, so all of them are throttled.
  const inside = !isV1 && readFileSync(join(mesh.cgroup, 'cgroup.procs'), 'utf8')
  const isMeshs = inside !== false && pids.every((pid) => inside.split('\n').includes(String(pid)))
  const slow = isMeshs ? mesh.cgroup : join(isV1 ? v1 : parent, `${mesh.id}-slow`)
  if (!isMeshs) mkdirSync(slow)
  const [file, limit] = isV1 ? ['cpu.cfs_quota_us', '1000'] : ['cpu.max', '1000 100000']
  writeFileSync(join(slow, file ?? ''), limit ?? '')
  const home = isV1 ? v1 : parent
  try {
    if (!isMeshs) for (const pid of pids) writeFileSync(join(slow, 'cgroup.procs'), String(pid))
    await work()
  } finally {
    writeFileSync(join(slow, file ?? ''), isV1 ? '-1' : 'max')
    if (!isMeshs) {
      for (const pid of pids) writeFileSync(join(home, 'cgroup.procs'), String(pid))
      await until('nobody is slowed any more', () => removed(slow))
    }
  }
}

function removed(cgroup: string): boolean {
  try {
    rmdirSync(cgroup)
    return true
  } catch {
    return false
  }
}
