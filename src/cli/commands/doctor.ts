import { release } from 'node:os'
import type { CommandModule } from 'yargs'
import { type ChainState, readChainState } from '../../lib/cni-chain-state.ts'
import { chooseBtf, wordsOfBtf } from '../../lib/btf-choice.ts'
import { cgroup2Directory } from '../../lib/cgroup.ts'
import { isWatched, type Probe, type SelfTestResult } from '../../datapath/selftest/policy.ts'
import { accelerating } from '../../datapath/selftest/distributions.ts'
import { refusedBy, selfTest } from '../../datapath/selftest/self-test.ts'
import type { Finding } from '../../preflight/finding.ts'
import { mountMissing } from '../../preflight/mount-missing.ts'
import { examine } from '../../preflight/preflight.ts'
import { type CliEnvironment, environmentOf } from '../environment.ts'
import { withHelp } from '../help.ts'
import { btfOption, cgroupOption, outputOption, pinOption } from '../options.ts'
import { fold, plain } from '../output/plain-text.ts'
import { wordsOfPolicy } from '../output/words/policy.ts'
import { print } from '../output/print.ts'
import { verdictOn } from '../output/words/probe.ts'
import { requireRoot } from '../require-root.ts'
import { paint, widthOf } from '../output/table.ts'
import { whileWaiting } from '../output/while-waiting.ts'

interface Args {
  readonly cgroup: string | undefined
  readonly pin: string
  readonly btf: string | undefined
  readonly output: 'table' | 'json'
}

const command: CommandModule<object, Args> = {
  command: 'doctor',
  describe: 'What this kernel can do, tried with real sockets',
  builder: (yargs) =>
    withHelp(
      yargs.options({
        cgroup: cgroupOption,
        pin: pinOption,
        btf: btfOption,
        output: outputOption,
      }),
      {
        usage: 'doctor',
        about:
          'Looks for what is missing or odd on this machine, and says how to fix it. Then it runs the self-test that the agent runs before it attaches anything, with real sockets in a scratch cgroup, ' +
          'and prints the result of every probe and the policy that follows. Needs no agent and disturbs none.',
        examples: [
          ['doctor', 'before the first agent, or after a new kernel'],
          ['doctor -o json', 'for a report'],
        ],
        exit: '0 this kernel can accelerate, 1 it cannot, 2 invalid command line',
        more:
          'Results: ok; strict, proxies-only, refused: the policy that follows at best; fatal: an agent cannot start; ' +
          'warning: it works, and less than you may expect; note: for information.',
      },
    ),
  handler: async (args) => {
    const environment = environmentOf(args)
    requireRoot(environment, 'run the self-test')
    // An end by a signal, too, takes the scratch cgroup and the scratch pins along.
    const tested = examineAndTest(args, environment.endSignal())
    const { findings, result } = await whileWaiting(environment, 'for the self-test', tested)
    const { policy, refusedBecause, undecided } = result
    const probes = result.probes.map((probe) => ({
      ...probe,
      verdict: verdictOn(probe.name, probe.ok, isWatched(result.probes)),
    }))
    const because = {
      ...(refusedBecause !== undefined && { refusedBecause }),
      ...(undecided && { undecided }),
    }
    const machine = findings.map(({ mounts: _, ...finding }) => finding)
    const cni = readChainState()
    const btf = wordsOfBtf(chooseBtf(args.btf))
    print(
      environment,
      args.output,
      {
        kernel: release(),
        btf,
        policy,
        ...because,
        ...(isKernelRefused(result) && { kernelsThatWork: accelerating }),
        machine,
        ...(cni && { cni }),
        probes,
      },
      () =>
        describe({ ...result, btf }, findings, environment) +
        describeChain(cni, widthOf(environment)),
    )
    if (policy === 'refused') environment.exitCode = 1
  },
}

export default command

/** Mounts what is missing for the time of the self-test, which does not run where it could not. */
async function examineAndTest(
  { cgroup, pin, btf }: Args,
  signal: AbortSignal,
): Promise<{ findings: readonly Finding[]; result: SelfTestResult }> {
  const findings = examine({ purpose: 'doctor', pinDir: pin, cgroup, btf })
  const blocked = findings.find(({ level }) => level === 'fatal' || level === 'refused')
  if (blocked) return { findings, result: refusedBy(blocked) }
  const { undo } = mountMissing(findings)
  try {
    const place = { cgroupPath: cgroup2Directory(cgroup), pinDir: pin, btf }
    const result = await selfTest(place, { signal })
    return { findings, result }
  } finally {
    undo()
  }
}

const colours = {
  ok: 'green',
  note: 'green',
  warning: 'yellow',
  fatal: 'red',
  strict: 'yellow',
  'proxies-only': 'yellow',
  refused: 'red',
} as const

function describe(
  result: SelfTestResult & { readonly btf: string },
  findings: readonly Finding[],
  environment: CliEnvironment,
): string {
  const { policy, refusedBecause, probes, btf } = result
  const entries = [
    ...findings.map(ofFinding),
    ...probes.map((probe) => ofProbe(probe, isWatched(result.probes))),
  ]
  const nameWidth = Math.max(...entries.map(({ name }) => name.length), 0)
  const verdictWidth = Math.max(...entries.map(({ verdict }) => verdict.length), 0)
  const indent = ' '.repeat(nameWidth + verdictWidth + 4)
  const foldDetail = (text: string): string =>
    fold(plain(text), Math.max(20, widthOf(environment) - indent.length), '').join(`\n${indent}`)
  const lines = entries.flatMap(({ name, verdict, texts: [first = '', ...others] }) => {
    const painted = paint(colours[verdict], verdict.padEnd(verdictWidth), environment)
    return [
      `${painted}  ${name.padEnd(nameWidth)}  ${foldDetail(first)}`,
      ...others.map((text) => indent + foldDetail(text)),
    ]
  })
  const width = widthOf(environment)
  const painted = paint(policy === 'refused' ? 'red' : 'green', policy, environment)
  const others = kernelsThatWork(result)
  return `${[
    ...fold(`kernel ${release()}, policy ${painted}: ${wordsOfPolicy(policy)}`, width, '  '),
    ...(refusedBecause === undefined ? [] : fold(`because ${plain(refusedBecause)}`, width, '  ')),
    ...fold(`types (BTF) from ${plain(btf)}`, width, '  '),
    ...lines,
    ...fold(`next: ${nextAfter(result, findings)}`, width, '  '),
    ...(others === '' ? [] : fold(others, width, '  ')),
  ].join('\n')}\n`
}

/** Whether another kernel would help: this one has answered, and the answer is no. */
function isKernelRefused({ policy, undecided, probes }: SelfTestResult): boolean {
  return policy === 'refused' && !undecided && probes.length > 0
}

/** The kernels to boot in place of a refused one, in words; empty for others. */
export function kernelsThatWork(result: SelfTestResult): string {
  if (!isKernelRefused(result)) return ''
  const names = accelerating.map(({ name, kernel, policies }) => {
    return `${name}: ${kernel} (${policies.join(' or ')})`
  })
  return `kernels that accelerate (docs/KERNELS.md): ${names.join(', ')}`
}

interface Entry {
  readonly name: string
  readonly verdict: keyof typeof colours
  readonly texts: readonly string[]
}

const ofFinding = ({ check, level, found, means, mend }: Finding): Entry => ({
  name: check,
  verdict: level,
  texts: [`${found}. ${means}`, ...(mend === undefined ? [] : [`fix it: ${mend}`])],
})

const ofProbe = ({ name, ok, detail, hint }: Probe, watched: boolean): Entry => ({
  name,
  verdict: verdictOn(name, ok, watched),
  texts: [detail, ...(hint === undefined ? [] : [hint])],
})

/** How the keeper of the CNI chain fares, where one runs. */
export function describeChain(state: ChainState | undefined, width: number): string {
  if (!state) return ''
  const { problem, hint, file, since } = state
  const where = file === undefined ? '' : ` (${file})`
  const texts = [`CNI plugin ${state.state}${where} since ${since}`, problem, hint]
  const known = texts.filter((text) => text !== undefined)
  return known
    .map((text, at) =>
      fold(plain(text), width, '  ')
        .map((line) => `${at > 0 ? '  ' : ''}${line}\n`)
        .join(''),
    )
    .join('')
}

function nextAfter(
  { policy, undecided, probes }: SelfTestResult,
  findings: readonly Finding[],
): string {
  if (policy === 'refused' && probes.length === 0 && findings.length > 0) {
    return 'fix what is marked fatal or refused above, and run `meshaccel doctor` again'
  }
  if (undecided) return 'try again when this machine is less busy, as an agent does by itself'
  return policy === 'refused'
    ? 'a newer kernel; an agent stays up meanwhile, says why, and leaves all traffic alone'
    : 'start `meshaccel agent`, or ask the one that runs: `meshaccel status`'
}
