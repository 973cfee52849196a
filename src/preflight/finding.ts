import type { Machine } from './machine.ts'

/**
 * `fatal`: nothing can be started. `refused`: the self-test would refuse to attach. `warning`: it works, and less than
 * its user expects. `note`: for information.
 */
export type Level = 'fatal' | 'refused' | 'warning' | 'note'

/** Something that is missing or odd on this machine. */
export interface Finding {
  /** A stable name: `bpffs`, `capabilities`. */
  readonly check: string
  readonly level: Level
  /** The thing that is missing or odd: half a sentence. */
  readonly found: string
  /** The consequence, in whole sentences. */
  readonly means: string
  /** The command, or the setting, that mends it. */
  readonly mend?: string
  /** meshaccel mounts this by itself before it needs it. */
  readonly mounts?: MissingMount
}

export interface MissingMount {
  readonly type: 'bpf' | 'cgroup2'
  readonly at: string
}

/** The asker. */
export type Purpose = 'agent' | 'bench' | 'doctor' | 'cleanup' | 'self-test'

/** The things that are going to be used. */
export interface Place {
  readonly purpose: Purpose
  /** The bpffs directory of the pins. */
  readonly pinDir: string
  /** The cgroup v2 directory to watch; the root of the hierarchy where none is named. */
  readonly cgroup?: string | undefined
  /** Whether BPF is used at all. */
  readonly usesBpf?: boolean
  /** Directories in which files are made. */
  readonly writes?: readonly string[]
  /** Commands that are run. */
  readonly commands?: readonly string[]
  /** Rules of iptables are installed. */
  readonly iptables?: boolean
}

/** Looks at one thing and changes nothing. */
export type Check = (machine: Machine, place: Place) => Finding | undefined
