/** Writes docs/SEMANTICS.md from the results of a run. Pure. */
import type { Compared, ComparedCase, JoinedArm } from './comparison.ts'
import { joinedArms } from './comparison.ts'
import type { Explanation } from './differences.ts'
import type { Elsewhere, Kernel } from './elsewhere.ts'
import type { BootedKernel } from '../../../src/datapath/selftest/booted-kernels.ts'

const titles: Readonly<Record<JoinedArm, string>> = {
  joined: 'joined before',
  mid: 'joined midway',
  trusted: 'every reader trusted',
}

const introduction = ({ series, policy }: Kernel): string => `# Semantics

This page compares what an application sees on an accelerated connection with plain TCP: bytes, order, return values, errno,
events, end of file, signals. \`npm run semantics\` writes it from a run of \`test/kernel/conformance\` on Linux ${series}, whose
policy is \`${policy}\`. A test compares the page with the run. \`npm run test:kernels\` compares what other kernels answer.

Each case is a function in \`test/kernel/conformance/probe\`. It plays both ends of a connection and reports what it saw. It runs
on plain TCP first. Then it runs through the agent, in pods that accept blocking readers
(\`meshaccel.io/blocking-readers: accelerate\`). Without that annotation, a connection whose reader blocks stays on TCP. The
columns are:

- **joined before**: the connection joins before the case begins, after a warm-up in which the reader reads as in the case.
- **joined midway**: the connection joins during the case.
- **every reader trusted**: the reader is proven by plain receives, and takes up the habit of the case once it has joined. This
  shows what the proof protects from. It also shows what a program may see that changes its habits.

A cell says:

- **same**: no line differs. With a reason beside it, the proof kept the connection on TCP.
- **differs**: see [below](#differences).
- **not here**: the kernel of the run cannot do it.
`

/** Markdown, not yet formatted. */
export function renderDocument(
  kernel: Kernel,
  cases: readonly ComparedCase[],
  explanations: Readonly<Record<string, Explanation>>,
  others: readonly Elsewhere[],
  kernels: readonly BootedKernel[] = [],
): string {
  const differing = cases.filter(differs)
  const byDefault = differing.filter(differsByDefault)
  const onlyTrusted = differing.filter((each) => !differsByDefault(each))
  return [
    introduction(kernel),
    `${cases.length} cases; ${byDefault.length} differ, ${onlyTrusted.length} more for a reader that takes up a habit after it has joined.`,
    '',
    row(['case', ...joinedArms.map((arm) => titles[arm])]),
    row(Array.from({ length: joinedArms.length + 1 }, () => '---')),
    ...cases.map(renderRow),
    '\n## Differences\n',
    ...differing.map((each) => renderDifference(each, explanations[each.name])),
    ...renderKernels(kernels),
    ...renderElsewhere(others),
  ].join('\n')
}

function renderKernels(kernels: readonly BootedKernel[]): string[] {
  if (kernels.length === 0) return []
  return [
    '## Kernels\n',
    '`npm run test:kernels` boots these kernels. Each has to earn its policy:\n',
    row(['kernel', 'suite', 'flavour', 'machine', 'policy', 'why']),
    row(['---', '---', '---', '---', '---', '---']),
    ...kernels.map(({ suite, series, flavour, machine, policy, why }) =>
      row([series, suite, flavour, machine, `\`${policy}\``, why]),
    ),
    '',
  ]
}

function renderElsewhere(others: readonly Elsewhere[]): string[] {
  if (others.length === 0) return []
  return [
    'They answer these cases otherwise than above:\n',
    row(['kernels', 'case', ...joinedArms.map((arm) => titles[arm]), 'why']),
    row(Array.from({ length: joinedArms.length + 3 }, () => '---')),
    ...others.flatMap(({ where, cases, why }) =>
      Object.entries(cases).map(([name, verdicts]) =>
        row([where, name, ...joinedArms.map((arm) => verdicts[arm] ?? ''), why]),
      ),
    ),
  ]
}

export function differs(compared: ComparedCase): boolean {
  return Object.values(compared.arms).some(({ verdict }) => verdict === 'differs')
}

function differsByDefault({ arms }: ComparedCase): boolean {
  return arms.joined?.verdict === 'differs' || arms.mid?.verdict === 'differs'
}

function renderRow(compared: ComparedCase): string {
  const { name, arms } = compared
  const label = differs(compared) ? `[${name}](#${name})` : name
  return row([label, ...joinedArms.map((arm) => renderCell(arms[arm]))])
}

function renderCell(compared: Compared | undefined): string {
  if (!compared) return ''
  const { verdict, membership } = compared
  if (verdict === 'not here') return 'not here'
  return membership === 'joined' ? verdict : `${verdict} (${membership})`
}

function renderDifference(
  { name, arms }: ComparedCase,
  explanation: Explanation | undefined,
): string {
  const blocks = new Map<string, JoinedArm[]>()
  for (const arm of joinedArms) {
    const difference = arms[arm]?.difference ?? []
    if (difference.length === 0) continue
    const text = difference.join('\n')
    blocks.set(text, [...(blocks.get(text) ?? []), arm])
  }
  return [
    `### ${name}\n`,
    explanation
      ? `${explanation.why} **Who:** ${explanation.who} **What we do:** ${explanation.remedy}\n`
      : 'This has no explanation yet.\n',
    ...[...blocks].map(
      ([text, where]) =>
        `${where.map((arm) => titles[arm]).join(', ')}:\n\n\`\`\`diff\n${text}\n\`\`\`\n`,
    ),
  ].join('\n')
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}
