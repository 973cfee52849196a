import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The content of /proc/PID/stat: see proc(5). */
export interface ProcessStat {
  /** One letter: `R` runs, `S` sleeps, `D` waits for a lock or a device, `Z` is a zombie. */
  readonly state: string
  /** When it was started, in ticks since boot. */
  readonly startedAtTicks: bigint
  /** The processor time that it has used in user space and in the kernel, in ticks. */
  readonly cpuTicks: number
}

/** Reads the text of a `stat` file; undefined if it is none. The program's name in it may hold anything. */
export function parseProcessStat(stat: string): ProcessStat | undefined {
  // The second field, in parentheses, is the name.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state, startedAt] = [fields[0], fields[19]]
  if (!state || startedAt === undefined || !/^\d+$/.test(startedAt)) return undefined
  return {
    state,
    startedAtTicks: BigInt(startedAt),
    cpuTicks: Number(fields[11]) + Number(fields[12]),
  }
}

/** Undefined for a process that has ended and is no zombie. */
export function readProcessStat(pid: number, proc = '/proc'): ProcessStat | undefined {
  try {
    return parseProcessStat(readFileSync(join(proc, String(pid), 'stat'), 'utf8'))
  } catch {
    return undefined
  }
}

/** The ids of the processes that are there; each may end at any time. Throws what `readdir` throws. */
export function processIds(proc = '/proc'): number[] {
  return readdirSync(proc).flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []))
}
