import { setSysctl } from '../topology/sysctls.ts'
import { systemCommand } from '../system/system-command.ts'
import type { UndoStack } from '../system/undo-stack.ts'
import type { ProgramId } from './accelerator.ts'

/** A program as `bpftool prog show -j` prints it. */
interface ShownProgram {
  readonly id: number
  readonly name?: string
  readonly map_ids?: readonly number[]
  readonly run_time_ns?: number
  readonly run_cnt?: number
}

export interface RunTime {
  readonly ns: number
  readonly count: number
}

// BPF_OBJ_NAME_LEN of linux/bpf.h, without the terminating byte.
const NAME_LENGTH = 15

/** Has the kernel count the programs' time until the stack ends. Counting slows the programs. */
export function countRunTime(stack: UndoStack): void {
  setSysctl(stack, 'kernel.bpf_stats_enabled', '1')
}

/** The total time of a program since counting began first. */
export function runTime(id: ProgramId): RunTime {
  const output = systemCommand('bpftool', ['-j', 'prog', 'show', 'id', String(id)])
  const shown: ShownProgram = JSON.parse(output)
  return { ns: shown.run_time_ns ?? 0, count: shown.run_cnt ?? 0 }
}

/** Nanoseconds per run between two readings; undefined if it did not run. */
export function nsPerRun(before: RunTime, after: RunTime): number | undefined {
  const count = after.count - before.count
  return count > 0 ? (after.ns - before.ns) / count : undefined
}

/**
 * The agent's programs: the sockops program that is attached to exactly this cgroup, and the verdict that shares maps
 * with it. Names do not distinguish them from another agent's.
 */
export function agentPrograms(
  cgroup: string,
): { readonly verdict: ProgramId; readonly pairing: ProgramId } | undefined {
  // bpftool prints nothing for a cgroup without programs.
  const output = systemCommand('bpftool', ['-j', 'cgroup', 'show', cgroup])
  const attached: { readonly id: number }[] = output.trim() === '' ? [] : JSON.parse(output)
  const programs: ShownProgram[] = JSON.parse(systemCommand('bpftool', ['-j', 'prog', 'show']))
  const pairing = programs.find(
    (program) =>
      hasName(program, 'meshaccel_watch') && attached.some(({ id }) => id === program.id),
  )
  const verdict = programs.find(
    (program) =>
      hasName(program, 'meshaccel_verdict') &&
      program.map_ids?.some((map) => pairing?.map_ids?.includes(map)),
  )
  return verdict && pairing ? { verdict: verdict.id, pairing: pairing.id } : undefined
}

const hasName = (program: ShownProgram, name: string): boolean =>
  program.name?.startsWith(name.slice(0, NAME_LENGTH)) ?? false
