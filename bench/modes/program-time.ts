import { setSysctl } from '../topology/sysctls.ts'
import { systemCommand } from '../system-command.ts'
import type { UndoStack } from '../undo-stack.ts'
import type { ProgramId } from './accelerator.ts'

/** A program as `bpftool prog show -j` prints it. */
interface ShownProgram {
  readonly id: number
  readonly name?: string
  readonly type: string
  readonly run_time_ns?: number
  readonly run_cnt?: number
}

export interface RunTime {
  readonly ns: number
  readonly count: number
}

// BPF_OBJ_NAME_LEN of linux/bpf.h, without the terminating byte.
const NAME_LENGTH = 15

/** Lets the kernel count the programs' time, which costs them some, for as long as the stack lives. */
export function countRunTime(stack: UndoStack): void {
  setSysctl(stack, 'kernel.bpf_stats_enabled', '1')
}

/** The time that a program has taken since counting began for the first time. */
export function runTime(id: ProgramId): RunTime {
  const output = systemCommand('bpftool', ['-j', 'prog', 'show', 'id', String(id)])
  const shown: ShownProgram = JSON.parse(output)
  return { ns: shown.run_time_ns ?? 0, count: shown.run_cnt ?? 0 }
}

/** Nanoseconds per run between two readings; undefined when it did not run. */
export function nsPerRun(before: RunTime, after: RunTime): number | undefined {
  const count = after.count - before.count
  return count > 0 ? (after.ns - before.ns) / count : undefined
}

export function programIds(): ReadonlySet<ProgramId> {
  return new Set(shownPrograms().map(({ id }) => id))
}

/** The one program of this name that was not there before; the kernel cuts names short. */
export function newProgram(name: string, before: ReadonlySet<ProgramId>): ProgramId | undefined {
  return shownPrograms().find(
    (program) => !before.has(program.id) && program.name?.startsWith(name.slice(0, NAME_LENGTH)),
  )?.id
}

function shownPrograms(): ShownProgram[] {
  const shown: ShownProgram[] = JSON.parse(systemCommand('bpftool', ['-j', 'prog', 'show']))
  return shown
}
