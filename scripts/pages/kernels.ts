import { bootedKernels } from '../../src/datapath/selftest/booted-kernels.ts'
import { distributions } from '../../src/datapath/selftest/distributions.ts'
import { type GeneratedPage, table } from './generated-page.ts'

const code = (policy: string): string => `\`${policy}\``

export const kernels: GeneratedPage = {
  name: 'KERNELS.md',
  render: () => `# Kernels

The self-test, not the version, decides the policy of a kernel: \`meshaccel doctor\` runs it on yours. This page is a guide to what
it will say. [SEMANTICS.md](SEMANTICS.md#kernels) says what an application sees on each of them.

## Distributions

"Argued from source" means that the code that matters is that of a booted kernel. "Not tested" means that we do not know.

${table(
  ['distribution', 'kernel', 'policy', 'how it is known', 'notes'],
  distributions.map(({ name, kernel, policies, known, machines, notes }) => [
    name,
    kernel,
    policies.map(code).join(' or ') || 'run `doctor`',
    machines.length > 0 ? `${known} (${machines.join(', ')})` : known,
    notes.join('; '),
  ]),
)}

## Booted kernels

\`npm run test:kernels\` boots these and asserts the policy of each. It runs the self-test, the
conformance suite and a stress; on a refused kernel, an agent that leaves the traffic alone. A word chooses some, such as \`6.12\`, \`Ubuntu\` or \`6.12,arm64\`.

${table(
  ['kernel', 'distribution', 'suite', 'flavour', 'machine', 'policy', 'why'],
  bootedKernels.map(({ series, distribution, suite, flavour, machine, policy, why }) => [
    series,
    distribution,
    suite,
    flavour,
    machine,
    code(policy),
    why,
  ]),
)}

## A refused kernel

An agent on it stays up, says why, and leaves all traffic on the normal stack. Boot a newer kernel of your distribution:

- Debian 12: \`apt-get install -t bookworm-backports linux-image-amd64\`
- Ubuntu 22.04: \`apt-get install linux-generic-hwe-22.04\`
- Amazon Linux 2023: \`dnf install kernel6.12\`
`,
}
