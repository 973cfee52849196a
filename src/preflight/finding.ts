import type { Machine } from './machine.ts'

/**
 * `fatal`: nothing can start. `refused`: the self-test would refuse to attach. `warning`: it works, but with less than
 * its user expects. `note`: informational.
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
  /** The command or the setting that fixes it. */
  readonly mend?: string
  /** meshaccel mounts this by itself before it needs it. */
  readonly mounts?: MissingMount
}

export interface MissingMount {
  readonly type: 'bpf' | 'cgroup2'
  readonly at: string
}

/** The caller of the checks. */
export type Purpose = 'agent' | 'bench' | 'doctor' | 'cleanup' | 'self-test'

/** The resources that the caller will use. */
export interface Place {
  readonly purpose: Purpose
  /** The bpffs directory of the pins. */
  readonly pinDir: string
  /** The cgroup v2 directory to watch; by default the root of the hierarchy. */
  readonly cgroup?: string | undefined
  /** The BTF file or folder that the user named. */
  readonly btf?: string | undefined
  /** Whether BPF is used; by default it is. */
  readonly usesBpf?: boolean
  /** Directories that files are written to. */
  readonly writes?: readonly string[]
  /** Commands that are executed. */
  readonly commands?: readonly string[]
  /** Whether iptables rules are installed. */
  readonly iptables?: boolean
}

/** Checks one thing and changes nothing. */
export type Check = (machine: Machine, place: Place) => Finding | undefined
