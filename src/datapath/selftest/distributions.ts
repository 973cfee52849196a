/** The kernels of distributions, and the known facts about them. docs/KERNELS.md and a refusing `doctor` show them. */
import type { Policy } from '../datapath.ts'
import { type BootedKernel, bootedKernels } from './booted-kernels.ts'

interface Line {
  readonly name: string
  readonly kernel: string
  /** The booted kernels of this distribution. */
  readonly booted?: (kernel: BootedKernel) => boolean
  /** Series of booted kernels with the same code, as far as we have read it. */
  readonly like?: readonly string[]
  readonly note?: string
}

const of =
  (distribution: BootedKernel['distribution'], suite: string, series: string) =>
  (kernel: BootedKernel): boolean =>
    kernel.distribution === distribution && kernel.suite === suite && kernel.series === series

const BACKPORTS = 'It has parts of newer kernels, so its number says little.'
const BETWEEN = 'We booted 6.5, which is refused, and 6.8, which is not.'
const HAS_MENDED = 'The later its patch level, the likelier `full`.'

const lines: readonly Line[] = [
  { name: 'Debian 11', kernel: '5.10', booted: of('Debian', 'bullseye', '5.10') },
  { name: 'Debian 12', kernel: '6.1', booted: of('Debian', 'bookworm', '6.1') },
  {
    name: 'Debian 12, backports',
    kernel: '6.12',
    booted: of('Debian', 'bookworm-backports', '6.12'),
  },
  { name: 'Debian 13', kernel: '6.12', booted: of('Debian', 'trixie', '6.12') },
  {
    name: 'Debian 13, backports',
    kernel: '7.3',
    booted: of('Debian', 'trixie-backports', '7.3'),
  },
  { name: 'Ubuntu 22.04', kernel: '5.15', booted: of('Ubuntu', 'jammy-updates', '5.15') },
  { name: 'Ubuntu 22.04, HWE', kernel: '6.8', like: ['6.8'] },
  { name: 'Ubuntu 24.04', kernel: '6.8', booted: of('Ubuntu', 'noble-updates', '6.8') },
  { name: 'Ubuntu 24.04, HWE', kernel: '6.17', note: BACKPORTS },
  { name: 'Ubuntu 26.04', kernel: '7.0', note: BACKPORTS },
  { name: 'RHEL 9, Rocky 9, Alma 9', kernel: '5.14', note: BACKPORTS },
  { name: 'RHEL 10, Rocky 10, Alma 10', kernel: '6.12', note: BACKPORTS },
  { name: 'Amazon Linux 2023', kernel: '6.1', like: ['6.1'] },
  { name: 'Amazon Linux 2023', kernel: '6.12', like: ['6.12'], note: HAS_MENDED },
  { name: 'Container-Optimized OS 113', kernel: '6.1', like: ['6.1'] },
  { name: 'Container-Optimized OS 117, 121', kernel: '6.6', note: BETWEEN },
  { name: 'Container-Optimized OS 125', kernel: '6.12', like: ['6.12'], note: HAS_MENDED },
  { name: 'Bottlerocket', kernel: '6.1', like: ['6.1'] },
  { name: 'Bottlerocket', kernel: '6.12', like: ['6.12'], note: HAS_MENDED },
  { name: 'Azure Linux 3', kernel: '6.6', note: BETWEEN },
  { name: 'openEuler 24.03', kernel: '6.6', note: BACKPORTS },
  { name: 'Anolis 23, Alibaba Cloud Linux 4', kernel: '6.6', note: BACKPORTS },
  { name: 'Alibaba Cloud Linux 3', kernel: '5.10', note: BACKPORTS },
  { name: 'Talos 1.9 to 1.11', kernel: '6.12', like: ['6.12'], note: HAS_MENDED },
  { name: 'Talos 1.12', kernel: '6.18', like: ['6.18'] },
  { name: 'Flatcar 4230', kernel: '6.6', note: BETWEEN },
  { name: 'Flatcar 4459', kernel: '6.12', like: ['6.12'], note: HAS_MENDED },
]

export interface Distribution {
  readonly name: string
  /** Such as 6.12. */
  readonly kernel: string
  /** The policies that are possible; none where nothing is known. */
  readonly policies: readonly Policy[]
  readonly machines: readonly BootedKernel['machine'][]
  readonly known: 'booted here' | 'argued from source' | 'not tested'
  /** Why, or what to mind. */
  readonly notes: readonly string[]
}

const unique = <T>(values: readonly T[]): T[] => [...new Set(values)]

export const distributions: readonly Distribution[] = lines.map(
  ({ name, kernel, booted, like, note }) => {
    const kernels = bootedKernels.filter(
      (each) => booted?.(each) ?? like?.includes(each.series) ?? false,
    )
    const known = booted ? 'booted here' : 'argued from source'
    const refused = kernels.filter(({ policy }) => policy === 'refused').map(({ why }) => why)
    return {
      name,
      kernel,
      policies: unique(kernels.map(({ policy }) => policy)),
      machines: booted ? unique(kernels.map(({ machine }) => machine)) : [],
      known: kernels.length > 0 ? known : 'not tested',
      notes: unique([...refused, ...(note === undefined ? [] : [note])]),
    }
  },
)

/** The distributions that accelerate, as far as is known. */
export const accelerating: readonly Distribution[] = distributions.filter(
  ({ policies }) => policies.length > 0 && !policies.includes('refused'),
)
