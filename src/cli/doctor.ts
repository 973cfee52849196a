import { release } from 'node:os'
import type { CommandModule } from 'yargs'
import { type ChainState, readChainState } from '../cni-chain-state.ts'
import { cgroup2Directory } from '../datapath/cgroup.ts'
import type { SelfTestResult } from '../datapath/selftest/policy.ts'
import { selfTest } from '../datapath/selftest/self-test.ts'
import { type CliEnvironment, environmentOf } from './environment.ts'
import { withHelp } from './help.ts'
import { cgroupOption, outputOption, pinOption } from './options.ts'
import { fold, plain } from './plain-text.ts'
import { wordsOfPolicy } from './policy-words.ts'
import { print } from './print.ts'
import { verdictOn } from './probe-words.ts'
import { requireRoot } from './require-root.ts'
import { paint, widthOf } from './table.ts'

interface Args {
  readonly cgroup: string | undefined
  readonly pin: string
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
        output: outputOption,
      }),
      {
        usage: 'doctor',
        about:
          'Runs the self-test that the agent runs before it attaches anything, with real sockets in a scratch cgroup, ' +
          'and prints the verdict on every probe and the policy that follows. Needs no agent and disturbs none.',
        examples: [
          ['doctor', 'before the first agent, or after a new kernel'],
          ['doctor -o json', 'for a report'],
        ],
        exit: '0 this kernel can accelerate, 1 it cannot, 2 the command line cannot be meant',
        more: 'Verdicts: ok; strict, proxies-only, refused: the policy that follows at best; note: told for information.',
      },
    ),
  handler: async (args) => {
    const environment = environmentOf(args)
    requireRoot(environment, 'run the self-test')
    const cgroupPath = cgroup2Directory(args.cgroup)
    const result = await selfTest({ cgroupPath, pinDir: args.pin })
    const { policy, refusedBecause, undecided } = result
    const probes = result.probes.map((probe) => ({
      ...probe,
      verdict: verdictOn(probe.name, probe.ok),
    }))
    const because = {
      ...(refusedBecause !== undefined && { refusedBecause }),
      ...(undecided && { undecided }),
    }
    const cni = readChainState()
    const told = { kernel: release(), policy, ...because, ...(cni && { cni }), probes }
    print(
      environment,
      args.output,
      told,
      () => describe(result, environment) + describeChain(cni, widthOf(environment)),
    )
    if (policy === 'refused') environment.exitCode = 1
  },
}

export default command

const colours = {
  ok: 'green',
  note: 'green',
  strict: 'yellow',
  'proxies-only': 'yellow',
  refused: 'red',
} as const

function describe(result: SelfTestResult, environment: CliEnvironment): string {
  const { policy, refusedBecause, probes } = result
  const nameWidth = Math.max(...probes.map(({ name }) => name.length), 0)
  const verdictWidth = Math.max(...probes.map(({ name, ok }) => verdictOn(name, ok).length), 0)
  const indent = ' '.repeat(nameWidth + verdictWidth + 4)
  const foldDetail = (text: string): string =>
    fold(plain(text), Math.max(20, widthOf(environment) - indent.length), '').join(`\n${indent}`)
  const lines = probes.flatMap((probe) => {
    const verdict = verdictOn(probe.name, probe.ok)
    const painted = paint(colours[verdict], verdict.padEnd(verdictWidth), environment)
    return [
      `${painted}  ${probe.name.padEnd(nameWidth)}  ${foldDetail(probe.detail)}`,
      ...(probe.hint === undefined ? [] : [indent + foldDetail(probe.hint)]),
    ]
  })
  const width = widthOf(environment)
  const painted = paint(policy === 'refused' ? 'red' : 'green', policy, environment)
  return `${[
    ...fold(`kernel ${release()}, policy ${painted}: ${wordsOfPolicy(policy)}`, width, '  '),
    ...(refusedBecause === undefined ? [] : fold(`because ${plain(refusedBecause)}`, width, '  ')),
    ...lines,
    ...fold(`next: ${nextAfter(result)}`, width, '  '),
  ].join('\n')}\n`
}

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

function nextAfter({ policy, undecided }: SelfTestResult): string {
  if (undecided) return 'try again when this machine is less busy, as an agent does by itself'
  return policy === 'refused'
    ? 'a newer kernel; an agent stays up meanwhile, says why, and leaves all traffic alone'
    : 'start `meshaccel agent`, or ask the one that runs: `meshaccel status`'
}
