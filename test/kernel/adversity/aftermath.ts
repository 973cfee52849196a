/** Checks that hold after each scenario, whatever the kernel skipped and the programs did. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { Mesh } from '../../helpers/mesh.ts'
import { patience, until } from '../../helpers/retry.ts'
import { describeHeld, type Held, heldBy, messageKiB } from './held.ts'

/** The promised time is five seconds. A busy machine gets five times as long. */
const DRAIN_S = 25
/** Other programs of the node use this slab, too. */
const SLACK_KIB = 16 * 1024

export interface Before {
  readonly messageKiB: number
}

/** The file for the findings. */
interface Findings {
  readonly mesh: Mesh
  readonly check: (name: string, ok: boolean, detail?: string) => void
}

/** Call this before the scenario begins. */
export function before(): Before {
  return { messageKiB: messageKiB() }
}

/** Checks, after all connections are closed, that the data path holds none of them. Then removes the product. */
export async function aftermath(findings: Findings, begin: Before): Promise<void> {
  await nothingHeld(findings)
  const memory = await comes(() => messageKiB() <= begin.messageKiB + SLACK_KIB)
  findings.check('kernel memory is back where it began', memory, `${messageKiB()} KiB`)
  await leavesAll(findings)
}

/** Waits until slots, claims, members and the splice watch are empty, within a few sweeps. */
async function nothingHeld({ mesh, check }: Findings): Promise<void> {
  const nothing = await comes(() => Object.values(summary(heldBy(mesh))).every((n) => n === 0))
  const detail = nothing ? '' : `${JSON.stringify(summary(heldBy(mesh)))} ${describeHeld(mesh)}`
  check('no slot, claim, member or entry of the splice watch is left', nothing, detail)
}

function summary(held: Held): Record<string, number> {
  const { states, claims, members, watched, charged, chargedBytes } = held
  return { ...states, claims, members, watched: watched.length, charged, chargedBytes }
}

/** Checks that drain and cleanup succeed. Connections may be live. */
export async function leavesAll({ mesh, check }: Findings): Promise<void> {
  for (const command of ['drain', 'cleanup'] as const) {
    const { status, stderr } = ask(mesh, command)
    check(`${command} exits 0`, status === 0, stderr)
  }
  check('no pin is left', await comes(() => !existsSync(mesh.pinDir)))
}

function ask(
  { cli, pinDir, socket, cgroup }: Mesh,
  command: 'drain' | 'cleanup',
): { status: number | null; stderr: string } {
  const where = ['--cgroup', cgroup, '--pin', pinDir, '--socket', socket]
  const timeout = ['--timeout', String(DRAIN_S * patience)]
  return spawnSync(process.execPath, [cli, command, ...where, ...timeout], {
    encoding: 'utf8',
    timeout: 3 * DRAIN_S * patience * 1000,
  })
}

function comes(look: () => boolean): Promise<boolean> {
  return until('it comes about', look).catch(() => false)
}
