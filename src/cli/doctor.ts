import { release } from 'node:os'
import type { CommandModule } from 'yargs'
import { cgroup2Directory } from '../datapath/cgroup.ts'
import type { SelfTestResult } from '../datapath/selftest/policy.ts'
import { selfTest } from '../datapath/selftest/self-test.ts'
import { type CliEnvironment, environmentOf } from './environment.ts'
import { cgroupOption, outputOption, pinOption } from './options.ts'
import { wordsOfPolicy } from './policy-words.ts'
import { print } from './print.ts'
import { requireRoot } from './require-root.ts'
import { paint } from './table.ts'

interface Args {
  readonly cgroup: string | undefined
  readonly pin: string
  readonly output: 'table' | 'json'
}

const command: CommandModule<object, Args> = {
  command: 'doctor',
  describe:
    'What this kernel can do, tried with real sockets; exit 0 when it can accelerate, 1 not',
  builder: { cgroup: cgroupOption, pin: pinOption, output: outputOption },
  handler: async (args) => {
    const environment = environmentOf(args)
    requireRoot(environment, 'run the self-test')
    const cgroupPath = cgroup2Directory(args.cgroup)
    const result = await selfTest({ cgroupPath, pinDir: args.pin })
    const { policy, refusedBecause, probes } = result
    const because = refusedBecause === undefined ? {} : { refusedBecause }
    print(environment, args.output, { kernel: release(), policy, ...because, probes }, () =>
      describe(result, environment),
    )
    if (policy === 'refused') environment.exitCode = 1
  },
}

export default command

function describe(result: SelfTestResult, environment: CliEnvironment): string {
  const { policy, refusedBecause, probes } = result
  const width = Math.max(...probes.map(({ name }) => name.length), 0)
  const lines = probes.flatMap(({ name, ok, detail, hint }) => [
    `${paint(ok ? 'green' : 'yellow', ok ? 'ok  ' : 'no  ', environment)}${name.padEnd(width)}  ${detail}`,
    ...(hint === undefined ? [] : [`${' '.repeat(width + 6)}${hint}`]),
  ])
  return `${[
    `kernel ${release()}, policy ${paint(policy === 'refused' ? 'red' : 'green', policy, environment)}: ${wordsOfPolicy(policy)}`,
    ...(refusedBecause === undefined ? [] : [`because ${refusedBecause}`]),
    ...lines,
  ].join('\n')}\n`
}
