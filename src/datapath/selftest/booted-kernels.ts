import type { Policy } from '../datapath.ts'

/** A kernel that `npm run test:kernels` boots, and the policy that it must earn. docs/SEMANTICS.md and docs/KERNELS.md show them. */
export interface BootedKernel {
  readonly distribution: 'Debian' | 'Ubuntu'
  readonly suite: string
  /** The newest kernel of the series in the suite. */
  readonly series: string
  readonly flavour: 'cloud' | 'generic'
  readonly machine: 'amd64' | 'arm64'
  readonly policy: Policy
  readonly why: string
}

const right = 'FIONREAD is right everywhere'
const hidesTcp = "FIONREAD hides a member's TCP bytes"
const hidesRedirected = 'FIONREAD hides redirected bytes; programs that ask it are watched'

const notCharged = 'redirected bytes are not charged to the reader'
const noLoop = 'it has no `bpf_loop`'

type Facts = Pick<BootedKernel, 'policy' | 'why'> & Partial<BootedKernel>

const debian = (suite: string, series: string, facts: Facts): BootedKernel => ({
  distribution: 'Debian',
  suite,
  series,
  flavour: 'cloud',
  machine: 'amd64',
  ...facts,
})

const ubuntu = (suite: string, series: string, facts: Facts): BootedKernel => ({
  ...debian(suite, series, facts),
  distribution: 'Ubuntu',
  flavour: 'generic',
})

export const bootedKernels: readonly BootedKernel[] = [
  debian('bullseye', '5.10', { policy: 'refused', why: 'it has no netns cookies' }),
  ubuntu('jammy-updates', '5.15', { policy: 'refused', why: noLoop }),
  ubuntu('jammy-updates', '5.19', { policy: 'refused', why: notCharged }),
  debian('bookworm', '6.1', { policy: 'full', why: hidesRedirected }),
  debian('bookworm', '6.1', {
    flavour: 'generic',
    policy: 'full',
    why: hidesRedirected,
  }),
  ubuntu('jammy-updates', '6.2', { policy: 'refused', why: notCharged }),
  ubuntu('jammy-updates', '6.5', {
    policy: 'refused',
    why: `${notCharged} (6.5.0-45)`,
  }),
  ubuntu('noble-updates', '6.8', { policy: 'full', why: `${right} (6.8.0-151)` }),
  ubuntu('noble-updates', '6.11', {
    policy: 'full',
    why: `${hidesRedirected} (6.11.0-29)`,
  }),
  debian('bookworm-backports', '6.12', {
    policy: 'strict',
    why: `${hidesTcp} (6.12.95)`,
  }),
  debian('trixie', '6.12', { policy: 'full', why: `${right} (6.12.117)` }),
  debian('trixie', '6.12', {
    flavour: 'generic',
    policy: 'full',
    why: `${right} (6.12.117)`,
  }),
  debian('trixie', '6.12', {
    machine: 'arm64',
    policy: 'full',
    why: `${right} (6.12.117)`,
  }),
  debian('trixie-backports', '6.17', {
    policy: 'full',
    why: hidesRedirected,
  }),
  debian('trixie-backports', '6.18', { policy: 'strict', why: hidesTcp }),
  debian('sid', '7.2', { policy: 'full', why: `${right} (7.2.13)` }),
  debian('trixie-backports', '7.3', { policy: 'full', why: right }),
  debian('trixie-backports', '7.3', {
    machine: 'arm64',
    policy: 'full',
    why: right,
  }),
]
