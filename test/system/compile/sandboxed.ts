import { readFileSync } from 'node:fs'
import { defaultLimits, type Ended, type Limits, Sandbox } from '../../../src/compile/sandbox.ts'
import { findToolchain, type Toolchain } from '../../../src/compile/toolchain.ts'
import { processIds } from '../../../src/lib/proc.ts'
import { until } from '../../helpers/retry.ts'

export const toolchain: Toolchain = findToolchain()

/** Runs a shell script in a sandbox of its own, with one input file. */
export function runScript(
  script: string,
  limits: Partial<Limits> = {},
  sandbox: Sandbox = new Sandbox(toolchain),
): Promise<Ended> {
  return sandbox.run(
    {
      view: toolchain.build,
      command: ['/usr/bin/bash', '-c', script],
      files: new Map([['/work/input', Buffer.from('input\n')]]),
    },
    { ...defaultLimits, ...limits },
    0,
  )
}

/** The processes of a user. */
export function processesOf(uid: number): number[] {
  return processIds().filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/status`, 'utf8').includes(`\nUid:\t${uid}\t`)
    } catch {
      return false
    }
  })
}

/** Waits until no process of the user is left. The kernel ends those of a sandbox after bubblewrap has returned. */
export async function noneLeft(uid: number): Promise<void> {
  await until('no process is left', () => processesOf(uid).length === 0)
}
