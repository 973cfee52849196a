/** A guest's report to main.ts: a line of JSON for each finished part. */
import type { ComparedCase } from '../../kernel/conformance/comparison.ts'

export interface Told {
  readonly part: 'doctor' | 'agent' | 'btf' | 'conformance' | 'stress'
  readonly seconds: number
  /** The error that ended it. Then there is nothing else. */
  readonly error?: string
  /** The policy that it earned, in the parts that determine it. */
  readonly policy?: string
  readonly refusedBecause?: string
  /** Names of the probes that found a flaw. */
  readonly flaws?: readonly string[]
  readonly cases?: readonly ComparedCase[]
  /** Cases that fail on plain TCP. */
  readonly broken?: readonly string[]
  /** The work of the stress test, in words. */
  readonly done?: string
}

export type Finding = Omit<Told, 'part' | 'seconds'>
