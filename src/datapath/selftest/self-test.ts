/**
 * Tests this kernel with real sockets inside a scratch cgroup, before anything is attached to the pods' cgroup. It runs
 * in a process of its own for two reasons. Only a process inside the scratch cgroup can open sockets in it. And a
 * kernel that hangs must not hang the agent.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { messageOf } from '../../lib/errno.ts'
import { programFile } from '../../lib/package.ts'
import type { Finding } from '../../preflight/finding.ts'
import { examine, explain } from '../../preflight/preflight.ts'
import { makeSelfTestPins, removeAll } from '../pins/pin-directory.ts'
import { consequences, judge, type Probe, type SelfTestResult } from './policy.ts'

/** Ends a test on a kernel that hangs. On a busy node an answer may take a hundred times its usual time. */
const SILENCE_MS = 60_000
const RELEASE_TRIES = 400
const RELEASE_PAUSE_MS = 5

export interface SelfTestPlace {
  /** The cgroup v2 directory below which the scratch cgroup is made. */
  readonly cgroupPath: string
  /** The agent's pins: the scratch pins go beside them. */
  readonly pinDir: string
  /** The BTF file or folder that the user named. */
  readonly btf?: string | undefined
}

export interface SelfTestOptions {
  /** The longest time without an answer. */
  readonly silenceMs?: number
  /** Ends the test early; the result is then `refused`. */
  readonly signal?: AbortSignal
}

/** Runs the probes and judges them. Never throws: if the test cannot run, the result is `refused`. */
export async function selfTest(
  place: SelfTestPlace,
  options: SelfTestOptions = {},
): Promise<SelfTestResult> {
  const { cgroupPath, pinDir: agentPins, btf } = place
  const [blocked] = examine({
    purpose: 'self-test',
    pinDir: agentPins,
    cgroup: cgroupPath,
    btf,
  }).filter(({ level }) => level === 'fatal' || level === 'refused')
  // A retry is worthwhile: a user may fix this.
  if (blocked) return { ...refusedBy(blocked), undecided: true }
  const cgroup = join(cgroupPath, `meshaccel-selftest-${process.pid}`)
  try {
    const pinDir = makeSelfTestPins(agentPins)
    try {
      mkdirSync(cgroup)
      return await ask({ cgroupPath: cgroup, pinDir, btf }, options)
    } finally {
      // Removes programs before their cgroup. The kernel releases an ended process a little later, so removal needs
      // retries.
      removeAll(pinDir)
      for (let tries = 0; !removed(cgroup) && tries < RELEASE_TRIES; tries += 1) {
        await delay(RELEASE_PAUSE_MS)
      }
    }
  } catch (error) {
    return { policy: 'refused', refusedBecause: `self-test: ${messageOf(error)}`, probes: [] }
  }
}

/** The result for a machine that lacks something; no probe runs. */
export const refusedBy = (finding: Finding): SelfTestResult => ({
  policy: 'refused',
  refusedBecause: `${finding.check}: ${finding.found}. ${explain(finding)}`,
  probes: [],
})

/** Judges the output of the probe process, until it ends or is killed after too long a silence. */
async function ask(
  { cgroupPath, pinDir, btf }: SelfTestPlace,
  { silenceMs = SILENCE_MS, signal }: SelfTestOptions,
): Promise<SelfTestResult> {
  const program = programFile('datapath/selftest/self-test-process')
  const child = spawn(
    process.execPath,
    [...process.execArgv, program, cgroupPath, pinDir, ...(btf === undefined ? [] : [btf])],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      killSignal: 'SIGKILL',
      ...(signal && { signal }),
    },
  )
  const probes: Probe[] = []
  let isSilent = false
  const silence = setTimeout(() => {
    isSilent = true
    child.kill('SIGKILL')
  }, silenceMs)
  createInterface({ input: child.stdout }).on('line', (line) => {
    probes.push(JSON.parse(line))
    silence.refresh()
  })
  let errors = ''
  child.stderr.on('data', (data: Buffer) => (errors += data.toString()))
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  }).finally(() => clearTimeout(silence))
  if (code !== 0 && !isSilent) throw new Error(`exit ${code}: ${errors.trim()}`)
  const result = judge(inOrder(probes))
  if (!isSilent || !result.undecided) return result
  const last = probes.at(-1)?.name ?? 'its start'
  const refusedBecause = `self-test: no answer for ${silenceMs / 1000} s after ${last}`
  return { ...result, refusedBecause }
}

const inOrder = (probes: readonly Probe[]): Probe[] =>
  consequences.flatMap(([name]) => probes.filter((probe) => probe.name === name))

function removed(cgroup: string): boolean {
  try {
    rmdirSync(cgroup)
    return true
  } catch {
    return !existsSync(cgroup)
  }
}
