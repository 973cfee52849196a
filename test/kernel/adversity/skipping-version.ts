/**
 * A data path that does not see every event. The kernel skips programs at the recursion guard of a CPU, or when one is
 * preempted.
 */
import { join } from 'node:path'
import { AnotherVersion, withText } from '../../helpers/another-version.ts'
import { ready } from '../../helpers/compile.ts'

/** The number of skipped events in a thousand, by program. */
export interface Skips {
  readonly received?: number
  readonly closed?: number
}

/** Where the programs begin. Receives are counted by one of several programs, which share a function. */
const heads: Readonly<Record<keyof Skips, RegExp>> = {
  received: /static __always_inline int received\([^)]*\)\n\{\n/,
  closed: /BPF_PROG\(meshaccel_closed,[^)]*\)\n\{\n/,
}

/** Builds it. In a guest it is there already, because the compiler would be slow. */
export function skippingVersion(skips: Skips): Disposable & { readonly cli: string } {
  if (ready === undefined) return new AnotherVersion(skipping(skips))
  const cli = join(guestDirectory(skips, ready), 'build/guest/cli.mjs')
  return { cli, [Symbol.dispose]: () => undefined }
}

/** Builds it for a guest, beside its other programs. */
export const skippingVersionForGuest = (skips: Skips, guest: string): AnotherVersion =>
  new AnotherVersion(skipping(skips), guestDirectory(skips, guest))

const guestDirectory = ({ received = 0, closed = 0 }: Skips, guest: string): string =>
  `${guest}-skipping-${received}-${closed}`

/** The programs return at once for a share of their calls. */
const skipping = (skips: Skips) => (bpf: string) => {
  for (const program of ['received', 'closed'] as const) {
    const permille = skips[program]
    if (permille === undefined) continue
    // In C declarations usually come first, but the compiler accepts them after a statement.
    const skip = `\tif (bpf_get_prandom_u32() % 1000 < ${permille})\n\t\treturn 0;\n`
    withText(heads[program], (head) => head + skip)(bpf)
  }
}
