/** Runs every case in every arm. */
import { execFileSync } from 'node:child_process'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { AgentProcess } from '../../helpers/agent-process.ts'
import { compile } from '../../helpers/compile.ts'
import type { Mesh, Pod } from '../../helpers/mesh.ts'
import { patience } from '../../helpers/retry.ts'
import { type ComparedCase, compareAll, type JoinedArm, joinedArms } from './comparison.ts'
import { type Arm, ProbeRun } from './probe-run.ts'
import { type Outcomes, Runs } from './runs.ts'

export interface Case {
  readonly name: string
  /** Whether its reader has a habit that the proof judges. Then `trusted` is an arm of its own. */
  readonly trusted: boolean
}

/**
 * Cases whose settings would disturb others, with the index of their pod. A listener that always sends cookies takes no
 * bytes with a SYN, so these two do not share a pod.
 */
const SYNCOOKIES_POD = 1
const FASTOPEN_POD = 2
const CONNTRACK_POD = 3
const places: Readonly<Record<string, number>> = {
  syncookies: SYNCOOKIES_POD,
  'tcp-fastopen': FASTOPEN_POD,
  'conntrack-expires': CONNTRACK_POD,
  'conntrack-expires-keepalive': CONNTRACK_POD,
}
export const PODS = 4

/** The timeout in seconds of the connection tracker in its pod. */
const CONNTRACK_S = 3

const none: Outcomes = new Map()

/** The names of the cases that fail without an agent: their results with an agent mean nothing. */
export function brokenCases(plain: Outcomes): string[] {
  return [...plain].flatMap(([name, { transcript }]) => (transcript.some(isFailure) ? [name] : []))
}

const isFailure = (line: string): boolean => line === 'hangs' || line.startsWith('the probe failed')

/** The compiled probe; each run has a copy of its own, because a quarantine goes by the executable. */
export class Suite {
  readonly cases: readonly Case[]
  readonly #mesh: Mesh
  readonly #probe: string
  readonly #say: (text: string) => void
  #copies = 0

  constructor(mesh: Mesh, say: (text: string) => void = () => undefined) {
    this.#mesh = mesh
    this.#say = say
    this.#probe = compile('kernel/conformance/probe', 'probe', mesh.directory)
    const list = execFileSync(this.#probe, ['list'], { encoding: 'utf8' })
    this.cases = list
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    forgetIdleConnections(mesh.pod(CONNTRACK_POD))
  }

  /** Without an agent. */
  async plain(): Promise<Outcomes> {
    this.#say('plain begins')
    await using runs = new Runs(this.#start('plain'))
    return await runs.outcomes()
  }

  /**
   * The results of the other arms under an agent with these flags, next to those without one; and the agent's policy.
   */
  async compare(
    plain: Outcomes,
    {
      flags = [],
      arms = joinedArms,
    }: { flags?: readonly string[]; arms?: readonly JoinedArm[] } = {},
  ): Promise<{ policy: string; cases: ComparedCase[] }> {
    const agent = await this.#mesh.startAgent(...flags)
    const { policy } = await agent.status()
    const others = { joined: none, mid: none, trusted: none }
    for (const arm of arms) {
      this.#say(`${arm} begins`)
      others[arm] = arm === 'mid' ? await this.#mid(agent) : await this.#joined(agent, arm)
    }
    await agent.kill('SIGKILL')
    AgentProcess.cleanup(this.#mesh)
    return { policy, cases: compareAll(plain, others) }
  }

  /** Joins before the case begins: after a warm-up with the case's own habit, or in `trusted` without it. */
  async #joined(agent: AgentProcess, arm: 'joined' | 'trusted'): Promise<Outcomes> {
    await using runs = new Runs(this.#start(arm))
    await runs.joinOneByOne(agent)
    return await runs.outcomes()
  }

  /** Joins where the cases say: all at once, when redirecting resumes. */
  async #mid(agent: AgentProcess): Promise<Outcomes> {
    await agent.client.call('Drain', { timeoutMs: 30_000 * patience })
    await using runs = new Runs(this.#start('mid'))
    await runs.reachTheirMiddle()
    await agent.client.call('Resume', {})
    await runs.joinTogether(agent)
    return await runs.outcomes()
  }

  #start(arm: Arm): ProbeRun[] {
    return this.cases
      .filter(({ trusted }) => arm !== 'trusted' || trusted)
      .map(({ name }) => {
        const copy = join(this.#mesh.directory, `probe-${this.#copies++}`)
        copyFileSync(this.#probe, copy)
        return new ProbeRun(this.#mesh.pod(places[name] ?? 0), copy, arm, name)
      })
  }
}

function forgetIdleConnections(pod: Pod): void {
  pod.exec('iptables', '-w', '-A', 'INPUT', '-m', 'conntrack', '--ctstate', 'INVALID', '-j', 'DROP')
  const setting = (name: string, value: number): string =>
    pod.exec('sysctl', '-q', '-w', `net.netfilter.nf_conntrack_tcp_${name}=${value}`)
  setting('loose', 0)
  setting('timeout_established', CONNTRACK_S * patience)
}
