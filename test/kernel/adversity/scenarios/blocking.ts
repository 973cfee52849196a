/** A blocking receive on a member sleeps only once. A wakeup without bytes must not make it fail. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Mesh } from '../../../helpers/mesh.ts'
import { until } from '../../../helpers/retry.ts'
import { ask } from '../ask.ts'
import { type Answer, type Ends, goOnAndLeave, joinOrStay } from '../both-ends.ts'
import type { Scenario } from '../scenario.ts'

const ANSWER = 240
const FREEZER = '/sys/fs/cgroup/freezer'
const UPLOAD = 8_000_000
/** Far less than the upload has in flight. */
const CAP = 65_536

/** The event during the receive's sleep. */
type Disturbance = (mesh: Mesh, ends: Ends, pid: number) => Promise<void> | void

const disturbances: Readonly<Record<string, Disturbance>> = {
  'SIGSTOP and SIGCONT': async (_mesh, ends, pid) => {
    ends.signal('SIGSTOP')
    await until('it is stopped', () => /\) T /.test(stat(pid)))
    ends.signal('SIGCONT')
    await until('it goes on', () => !/\) T /.test(stat(pid)))
  },
  'a freeze by its cgroup': async ({ cgroup }) => {
    for (const frozen of [1, 0]) {
      writeFileSync(join(cgroup, 'cgroup.freeze'), String(frozen))
      await until('it is done', () =>
        readFileSync(join(cgroup, 'cgroup.events'), 'utf8').includes(`frozen ${frozen}`),
      )
    }
  },
  'a freeze by a cgroup of the first version': async ({ id }, _ends, pid) => {
    if (!existsSync(join(FREEZER, 'cgroup.procs'))) return
    const group = join(FREEZER, `meshaccel-test-${id}`)
    mkdirSync(group)
    writeFileSync(join(group, 'cgroup.procs'), String(pid))
    for (const state of ['FROZEN', 'THAWED']) {
      writeFileSync(join(group, 'freezer.state'), state)
      await until('it is done', () =>
        readFileSync(join(group, 'freezer.state'), 'utf8').includes(state),
      )
    }
    writeFileSync(join(FREEZER, 'cgroup.procs'), String(pid))
    rmdirSync(group)
  },
  'a tracer that attaches and detaches': async ({ pods }, _ends, pid) => {
    await using tracer = pods[0]?.run('tracer', [String(pid)])
    await tracer?.take('detached')
  },
  'a debugger that attaches and detaches': (_mesh, _ends, pid) => {
    execFileSync('gdb', ['-p', String(pid), '-batch', '-ex', 'detach'], { stdio: 'ignore' })
  },
}

export const disturbedInReceive: Scenario = {
  name: 'a blocking receive never fails because its program was stopped, frozen or traced',
  pods: 1,
  run: async (scene) => {
    const agent = await scene.startAgent()
    await using ends = scene.mesh.pod(0).run<Answer>('blocking')
    for (const [name, disturb] of Object.entries(disturbances)) {
      scene.say(await joinOrStay(agent, ends, ['blocking-reader']))
      const { value: pid } = await ask(ends, 'wait')
      await disturb(scene.mesh, ends, pid)
      const { value, error } = await ask(ends, 'poke')
      scene.check(`${name}: the receive returns bytes`, value === ANSWER, `errno ${error}`)
      await ask(ends, 'settle 10000')
    }
    await goOnAndLeave(scene, agent, ends)
  },
}

export const fullDuplex: Scenario = {
  name: 'a blocking receive never fails because another thread uploads',
  pods: 1,
  run: async (scene) => {
    const agent = await scene.startAgent('--cap', String(CAP))
    await using ends = scene.mesh.pod(0).run<Answer>('blocking')
    scene.say(await joinOrStay(agent, ends, ['blocking-reader']))
    const { value, error } = await ask(ends, `duplex ${UPLOAD}`)
    scene.check('the receive returns bytes', value === ANSWER, `errno ${error}`)
    await goOnAndLeave(scene, agent, ends)
  },
}

function stat(pid: number): string {
  return readFileSync(`/proc/${pid}/stat`, 'utf8')
}
