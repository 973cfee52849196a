import type { Policy } from '../../../src/datapath/datapath.ts'

/** A Debian kernel, and the policy that it must earn. docs/SEMANTICS.md shows them. */
export interface Entry {
  readonly suite: string
  /** The newest kernel of the series in the suite. */
  readonly series: string
  readonly policy: Policy
  readonly why: string
}

const right = 'FIONREAD is right everywhere'
const hidesTcp = "FIONREAD hides a member's TCP bytes; programs that ask it are watched"

export const matrix: readonly Entry[] = [
  { suite: 'bullseye', series: '5.10', policy: 'refused', why: 'it has no netns cookies' },
  { suite: 'bookworm', series: '6.1', policy: 'refused', why: 'it has no `sock_recv_length`' },
  { suite: 'bookworm-backports', series: '6.12', policy: 'full', why: `${hidesTcp} (6.12.95)` },
  { suite: 'trixie', series: '6.12', policy: 'full', why: `${right} (6.12.117)` },
  {
    suite: 'trixie-backports',
    series: '6.17',
    policy: 'full',
    why: 'FIONREAD hides redirected bytes; programs that ask it are watched',
  },
  { suite: 'trixie-backports', series: '6.18', policy: 'full', why: hidesTcp },
  { suite: 'sid', series: '7.2', policy: 'full', why: `${right} (7.2.13)` },
  { suite: 'trixie-backports', series: '7.3', policy: 'full', why: right },
]
