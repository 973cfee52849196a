import { writeFileSync } from 'node:fs'
import type { CommandModule } from 'yargs'
import { runBench } from '../../bench/bench.ts'
import { modes, proxies, scenarios } from '../../bench/options.ts'
import { type BenchArguments, PlanError, planBench } from '../../bench/plan.ts'
import { redirects } from '../../bench/topology/rules/rule-set.ts'
import { renderHtml } from '../../bench/report/html.ts'
import { renderReport } from '../../bench/report/text.ts'
import { environmentOf } from './environment.ts'
import { withHelp } from './help.ts'
import { outputOption } from './options.ts'
import { print } from './print.ts'
import { requireRoot } from './require-root.ts'
import { UsageError } from './usage-error.ts'

interface Args extends BenchArguments {
  readonly report: string | undefined
  readonly output: 'table' | 'json'
}

const command: CommandModule<object, Args> = {
  command: 'bench',
  describe: 'Compare a meshed hop with and without meshaccel on this machine',
  builder: (yargs) =>
    withHelp(
      yargs.options({
        quick: { type: 'boolean', default: false, describe: 'An impression within a minute' },
        proxy: {
          choices: proxies,
          default: 'haproxy' as const,
          describe: 'The sidecars; Envoy is installed at its first use',
          requiresArg: true,
        },
        mesh: {
          choices: ['istio', 'linkerd'] as const,
          default: 'istio' as const,
          describe: 'Whose rules lead the traffic through the sidecars',
          requiresArg: true,
        },
        redirect: {
          type: 'string',
          describe: `List of how they are written: ${redirects.join(', ')} [default: the iptables that works]`,
          requiresArg: true,
        },
        scenario: {
          type: 'string',
          default: 'keepalive',
          describe: `List of ${scenarios.join(', ')}`,
          requiresArg: true,
        },
        modes: {
          type: 'string',
          describe: `List of ${modes.join(', ')} [default: all; quick: iptables,meshaccel,unix]`,
          requiresArg: true,
        },
        connections: {
          type: 'string',
          describe:
            "List of the load generator's connections [default: 1,16; quick: 16; stream: 1]",
          requiresArg: true,
        },
        payload: {
          type: 'string',
          describe:
            "List of sizes of a response's body, or of a stream's writes, like 81 or 64KiB " +
            '[default: 81,64KiB; stream: 1KiB,64KiB]',
          requiresArg: true,
        },
        duration: {
          type: 'number',
          describe: 'Seconds that are measured per run [default: 2; quick: 1]',
          requiresArg: true,
        },
        rounds: {
          type: 'number',
          describe: 'How often everything is measured [default: 3]',
          requiresArg: true,
        },
        rate: {
          type: 'number',
          describe:
            'Measure latency at this many requests per second, too, each from the moment at which it was due',
          requiresArg: true,
        },
        report: { type: 'string', describe: 'Write an HTML file, too', requiresArg: true },
        output: outputOption,
      }),
      {
        usage: 'bench',
        about:
          'Two pods in network namespaces, real sidecars behind the real iptables rules, a real server and load: ' +
          'measured with and without meshaccel. Needs no Kubernetes and leaves nothing behind. ' +
          'Lists are separated by commas and cross.',
        examples: [
          ['bench --quick', 'an impression within a minute'],
          ['bench --connections 1,16,64 --payload 81,64KiB', 'a sweep'],
          ['bench --scenario stream --report report.html', 'bulk data, with a report to hand on'],
        ],
        exit: '0 every response was right, 1 not all were or it could not run, 2 the command line cannot be meant',
      },
    ),
  handler: async (args) => {
    const environment = environmentOf(args)
    const options = plan(args)
    requireRoot(environment, 'run the bench')
    const report = await runBench(options, {
      signal: environment.endSignal(),
      say: (text) => void environment.stderr.write(`bench: ${text}\n`),
    })
    if (args.report !== undefined) writeFileSync(args.report, renderHtml(report))
    print(environment, args.output, report, () => renderReport(report))
  },
}

export default command

function plan(args: Args): ReturnType<typeof planBench> {
  try {
    return planBench(args)
  } catch (error) {
    throw error instanceof PlanError ? new UsageError(error.message) : error
  }
}
