/**
 * Finds out how this kernel behaves, with real sockets inside a scratch cgroup, before anything is attached to the
 * cgroup of the pods. In a process of its own, because a process has to enter the scratch cgroup to open sockets in it,
 * and so that a kernel that hangs hangs nobody else.
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

/** Against a kernel that hangs: on a busy node the next answer may well take a hundred times the usual. */
const SILENCE_MS = 60_000
const RELEASE_TRIES = 400
const RELEASE_PAUSE_MS = 5

export interface SelfTestPlace {
  /** The cgroup v2 directory below which the scratch cgroup is made. */
  readonly cgroupPath: string
  /** The agent's pins: the scratch pins go beside them. */
  readonly pinDir: string
}

export interface SelfTestOptions {
  /** How long no answer may come. */
  readonly silenceMs?: number
  /** Ends it early; the result is refused then. */
  readonly signal?: AbortSignal
}

/** Runs the probes and judges them. Never throws: what cannot be tested is refused. */
export async function selfTest(
  place: SelfTestPlace,
  options: SelfTestOptions = {},
): Promise<SelfTestResult> {
  const { cgroupPath, pinDir: agentPins } = place
  const [blocked] = examine({
    purpose: 'self-test',
    pinDir: agentPins,
    cgroup: cgroupPath,
  }).filter(({ level }) => level === 'fatal' || level === 'refused')
  // Worth another try: somebody may mend it.
  if (blocked) return { ...refusedBy(blocked), undecided: true }
  const cgroup = join(cgroupPath, `meshaccel-selftest-${process.pid}`)
  try {
    const pinDir = makeSelfTestPins(agentPins)
    try {
      mkdirSync(cgroup)
      return await ask(cgroup, pinDir, options)
    } finally {
      // First what is attached, then what it is attached to; the kernel lets go of an ended process a little later.
      removeAll(pinDir)
      for (let tries = 0; !removed(cgroup) && tries < RELEASE_TRIES; tries += 1) {
        await delay(RELEASE_PAUSE_MS)
      }
    }
  } catch (error) {
    return { policy: 'refused', refusedBecause: `self-test: ${messageOf(error)}`, probes: [] }
  }
}

/** A missing thing decides before any probe does. */
export const refusedBy = (finding: Finding): SelfTestResult => ({
  policy: 'refused',
  refusedBecause: `${finding.check}: ${finding.found}. ${explain(finding)}`,
  probes: [],
})

/** Judges what the process of the probes tells until it ends, or is ended because it is silent for too long. */
async function ask(
  cgroup: string,
  pinDir: string,
  { silenceMs = SILENCE_MS, signal }: SelfTestOptions,
): Promise<SelfTestResult> {
  const program = programFile('datapath/selftest/self-test-process')
  const child = spawn(process.execPath, [...process.execArgv, program, cgroup, pinDir], {
    stdio: ['ignore', 'pipe', 'pipe'],
    killSignal: 'SIGKILL',
    ...(signal && { signal }),
  })
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
