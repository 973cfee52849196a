/** What a guest tells main.ts, a line of JSON for each part that is over. */
import type { ComparedCase } from '../../kernel/conformance/comparison.ts'

export interface Told {
  readonly part: 'doctor' | 'agent' | 'conformance' | 'stress'
  readonly seconds: number
  /** Why it did not come to its end; then it tells nothing else. */
  readonly error?: string
  /** What it earned, in the parts that learn of it. */
  readonly policy?: string
  readonly refusedBecause?: string
  /** Names of the probes that found a flaw. */
  readonly flaws?: readonly string[]
  readonly cases?: readonly ComparedCase[]
  /** Cases that fail on plain TCP. */
  readonly broken?: readonly string[]
  /** What the stress has done, in words. */
  readonly done?: string
}

export type Finding = Omit<Told, 'part' | 'seconds'>
