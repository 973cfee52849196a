/**
 * Finds out how this kernel behaves, with real sockets inside a scratch cgroup, before anything is attached to the
 * cgroup of the pods. In a process of its own, because a process has to enter the scratch cgroup to open sockets in it,
 * and so that a kernel that hangs hangs nobody else.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, rmdirSync } from 'node:fs'
import { extname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { messageOf } from '../../errno.ts'
import { makeSelfTestPins, removeAll } from '../pin-directory.ts'
import { judge, type Probe, type SelfTestResult } from './policy.ts'

/** Against a kernel that hangs: a busy node may well take ten times the usual second. */
const TIMEOUT_MS = 60_000
const RELEASE_TRIES = 400
const RELEASE_PAUSE_MS = 5

export interface SelfTestPlace {
  /** The cgroup v2 directory below which the scratch cgroup is made. */
  readonly cgroupPath: string
  /** The agent's pins: the scratch pins go beside them. */
  readonly pinDir: string
}

/** Runs the probes and judges them. Never throws: what cannot be tested is refused. */
export async function selfTest(place: SelfTestPlace): Promise<SelfTestResult> {
  const cgroup = join(place.cgroupPath, `meshaccel-selftest-${process.pid}`)
  try {
    mkdirSync(cgroup)
    const pinDir = makeSelfTestPins(place.pinDir)
    try {
      return judge(await probesOf(cgroup, pinDir))
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

/** Resolves to what the process of the probes has printed. */
function probesOf(cgroup: string, pinDir: string): Promise<Probe[]> {
  const here = fileURLToPath(import.meta.url)
  const program = join(here, '..', `self-test-process${extname(here)}`)
  const child = spawn(process.execPath, [...process.execArgv, program, cgroup, pinDir], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
  })
  let output = ''
  let errors = ''
  child.stdout.on('data', (data: Buffer) => (output += data.toString()))
  child.stderr.on('data', (data: Buffer) => (errors += data.toString()))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (code === 0) {
        const probes: Probe[] = JSON.parse(output)
        resolve(probes)
      } else {
        const why = signal === 'SIGKILL' ? `not over after ${TIMEOUT_MS / 1000} s` : `exit ${code}`
        reject(new Error(`${why}: ${errors.trim()}`))
      }
    })
  })
}

function removed(cgroup: string): boolean {
  try {
    rmdirSync(cgroup)
    return true
  } catch {
    return !existsSync(cgroup)
  }
}
