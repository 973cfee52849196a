/** Programs that ask FIONREAD, on a kernel that gives members a wrong answer. */
import type { AgentProcess } from '../../../helpers/agent-process.ts'
import { tally } from '../../../helpers/agent-process.ts'
import { ready } from '../../../helpers/compile.ts'
import { patience, until } from '../../../helpers/retry.ts'
import { Asking, plainly } from '../asking.ts'
import { startWatching } from '../guest-policy.ts'
import type { Scenario, Scene } from '../scenario.ts'

const asksAfter = [...plainly, 'ASKER_AFTER=1']

const evidence = async (agent: AgentProcess): Promise<(string | undefined)[]> => {
  const { readers } = await agent.client.call('Readers', {})
  return readers.flatMap((reader) => (reader.quarantined ? [reader.evidence] : []))
}

async function forgiveAll(agent: AgentProcess): Promise<void> {
  const { readers } = await agent.client.call('Readers', {})
  for (const { namespace, name, program, quarantined } of readers) {
    if (quarantined) await agent.client.call('Forgive', { namespace, name, program })
  }
}

/** Asks on, until every connection is on TCP for good. */
async function allLeave(scene: Scene, agent: AgentProcess, asking: Asking): Promise<void> {
  const left = await until('all are on TCP', async () => {
    await asking.ask(2)
    return (await agent.flows()).every(({ state }) => state === 'watched')
  }).catch(() => false)
  scene.check('all are on TCP', left, tally(await agent.flows()))
}

export const askerBeforeJoin: Scenario = {
  name: 'a program that asks FIONREAD from the start does not join',
  run: async (scene) => {
    const agent = await startWatching(scene)
    await using asking = await Asking.start(scene.mesh.pod(0), scene.mesh.pod(1), {
      asks: true,
    })
    await until('it is quarantined', async () => {
      await asking.ask(10)
      return (await evidence(agent)).includes('asks-fionread')
    })
    await allLeave(scene, agent, asking)
    const { worstUs, slow } = await asking.ask(50)
    scene.say(`the slowest of 50 answers took ${worstUs} us, ${slow} took more than 300 ms`)
    await asking.renew()
    await asking.ask(50)
    const flows = await agent.flows()
    scene.check(
      'new connections do not join',
      flows.every(({ state }) => state === 'watched'),
      tally(flows),
    )
    const isTold = await until('the reason is told', async () => {
      await asking.ask(10)
      const { readers } = await agent.client.call('Readers', {})
      return readers.some(({ connections }) => (connections.unproven['asks-fionread'] ?? 0) > 0)
    }).catch(() => false)
    scene.check('the reason is told', isTold)
  },
}

function turning(
  name: string,
  through: readonly string[],
  atOnce: number,
  mayReset: boolean,
): Scenario {
  return {
    name,
    run: async (scene) => {
      const agent = await startWatching(scene)
      await using asking = await Asking.start(scene.mesh.pod(0), scene.mesh.pod(1), {
        through,
        clientThrough: plainly,
      })
      await asking.joins(agent)
      // A member that has several messages unread.
      await asking.ask(5, atOnce)
      process.kill(asking.serverPid, 'SIGUSR2')
      const asked = await asking.ask(20, atOnce).catch((error: unknown) => String(error))
      const { reasons } = await agent.status()
      const { reset = 0n } = reasons
      scene.say(typeof asked === 'string' ? asked : `the slowest answer took ${asked.worstUs} us`)
      scene.say(`${reset} connections were reset`)
      await until('it is quarantined', async () =>
        (await evidence(agent)).includes('asks-fionread'),
      )
      if (reset > 0n) {
        scene.check('none is reset', mayReset, `${reset}`)
        return
      }
      scene.check('no reader waits', typeof asked !== 'string', JSON.stringify(asked))
      await allLeave(scene, agent, asking)
    },
  }
}

export const askerTurns: Scenario = turning(
  'a member whose reader begins to ask FIONREAD after each read goes on by TCP',
  asksAfter,
  1,
  false,
)

/** Where FIONREAD hides redirected bytes, a reader that has left some unread cannot be woken. */
export const askerTurnsOverUnread: Scenario = turning(
  'a member whose reader begins to ask FIONREAD over unread bytes goes on, or is reset',
  asksAfter,
  8,
  true,
)

export const readerByFionread: Scenario = turning(
  'a member whose reader begins to read only what FIONREAD counts goes on, or is reset',
  plainly,
  1,
  true,
)

/** The time is bounded, because the load keeps all other work from the processors. */
const SECONDS = 10 * Math.min(patience, 3)

/**
 * The kernel skips a kprobe's program if it interrupts or preempts certain work of other BPF programs. So each round
 * forgives the program, and looks whether it is seen again.
 */
export const askersPreempted: Scenario = {
  byNameOnly: 'it keeps every processor busy with real-time threads',
  name: 'a program that asks FIONREAD is seen while real-time threads preempt it, and never waits',
  run: async (scene) => {
    const agent = await startWatching(scene)
    const all: Asking[] = []
    try {
      for (const port of [7300, 7301, 7302, 7303]) {
        all.push(
          await Asking.start(scene.mesh.pod(0), scene.mesh.pod(1), {
            port,
            connections: 4,
            asks: true,
          }),
        )
      }
      await using disturbing = scene.mesh.pod(0).run<{ event: string }>('preempt', [`${SECONDS}`])
      await disturbing.take('ready')
      let rounds = 0
      let seen = 0
      while (!disturbing.over) {
        await forgiveAll(agent)
        await Promise.all(all.map((each) => each.ask(2)))
        rounds += 1
        if ((await evidence(agent)).includes('asks-fionread')) seen += 1
      }
      scene.say(`seen in ${seen} of ${rounds} rounds`)
      // A tracepoint is attached only while there are members.
      if (ready !== undefined) {
        scene.check('it is seen in every round', seen === rounds, `${seen} of ${rounds}`)
      }
      for (const each of all) await each.ask(20)
    } finally {
      for (const each of all) await each[Symbol.asyncDispose]()
    }
  },
}
