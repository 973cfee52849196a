/** What kernels answer otherwise than the one that docs/SEMANTICS.md was written on. test/kernels asserts it. */
import type { Verdicts } from './documented.ts'

/** A kernel and what it has earned. */
export interface Kernel {
  /** Such as 6.12. */
  readonly series: string
  readonly policy: string
}

export interface Elsewhere {
  /** Which kernels, in words. */
  readonly where: string
  readonly applies: (kernel: Kernel) => boolean
  readonly cases: Readonly<Record<string, Verdicts>>
  readonly why: string
}

export const elsewhere: readonly Elsewhere[] = []
