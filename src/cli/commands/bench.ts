import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import type { CommandModule } from 'yargs'
import { type BenchEnvironment, runBench } from '../../../bench/bench.ts'
import {
  type BenchOptions,
  modes,
  observations,
  proxies,
  scenarios,
} from '../../../bench/options.ts'
import {
  type BenchArguments,
  type KubernetesArguments,
  PlanError,
  planBench,
  planKubernetes,
} from '../../../bench/plan.ts'
import { redirects } from '../../../bench/topology/rules/redirect.ts'
import { renderHtml } from '../../../bench/report/html.ts'
import { renderReport } from '../../../bench/report/text.ts'
import type { Report } from '../../../bench/report.ts'
import { UndoStack } from '../../../bench/system/undo-stack.ts'
import type { Place } from '../../preflight/finding.ts'
import { mountMissing } from '../../preflight/mount-missing.ts'
import { checkMachine } from '../check-machine.ts'
import { type CliEnvironment, environmentOf } from '../environment.ts'
import { withHelp } from '../help.ts'
import { durationMs, outputOption } from '../options.ts'
import { print } from '../output/print.ts'
import { requireRoot } from '../require-root.ts'
import { UsageError } from '../usage-error.ts'

interface Args extends Omit<BenchArguments, 'duration'>, KubernetesArguments {
  readonly duration: string | undefined
  readonly kubernetes: boolean
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
          describe: `List of tools that write these rules: ${redirects.join(', ')} [default: the iptables that works]`,
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
          describe: `List of ${modes.join(', ')} [default: all except observed; quick: iptables,meshaccel,unix]`,
          requiresArg: true,
        },
        observe: {
          type: 'string',
          describe: `With --modes observed: list of ${observations.join(', ')} [default: measure,trace,otlp]. The mode meshaccel takes samples, measure measures every request, and nothing none`,
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
          type: 'string',
          describe:
            'Time measured per run: 500ms, 2s, 1m, or seconds [default: 2s; quick: 1s; with --kubernetes 15s and 5s]',
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
            'Also measure latency at this many requests per second, each from the moment at which it was due',
          requiresArg: true,
        },
        kubernetes: {
          type: 'boolean',
          default: false,
          describe:
            'Compare two namespaces of its own in the mesh of the cluster that the kubeconfig names instead',
        },
        image: {
          type: 'string',
          default: 'fortio/fortio:latest_release',
          describe: 'With --kubernetes: an image of fortio',
          requiresArg: true,
        },
        node: {
          type: 'string',
          describe: 'With --kubernetes: the node to measure on',
          requiresArg: true,
        },
        revision: {
          type: 'string',
          describe: "With --kubernetes: Istio's revision, where it injects by istio.io/rev",
          requiresArg: true,
        },
        report: {
          type: 'string',
          describe: 'Also write the results to this HTML file',
          requiresArg: true,
        },
        output: outputOption,
      }),
      {
        usage: 'bench',
        about:
          'Measures two pods with and without meshaccel. The pods are network namespaces with real sidecars behind the ' +
          'real iptables rules, a real server and real load. Needs no Kubernetes and leaves nothing behind. ' +
          'Lists are separated by commas. Each combination of their values is measured.',
        examples: [
          ['bench --quick', 'an impression within a minute'],
          ['bench --connections 1,16,64 --payload 81,64KiB', 'a sweep'],
          ['bench --scenario stream --report report.html', 'bulk data, with a report to hand on'],
        ],
        exit: '0 every response was right, 1 some were wrong or the bench could not run, 2 invalid command line',
      },
    ),
  handler: async (args) => {
    const environment = environmentOf(args)
    const measure = prepare(args, environment)
    const report = await measure({
      signal: environment.endSignal(),
      say: (text) => void environment.stderr.write(`bench: ${text}\n`),
    })
    if (args.report !== undefined) writeFileSync(args.report, renderHtml(report))
    print(environment, args.output, report, () => renderReport(report))
  },
}

export default command

/** The needs of a run. */
function benchPlace({ modes: measured, proxy, redirects: ways }: BenchOptions): Place {
  const usesBpf = measured.some((mode) => ['meshaccel', 'observed', 'naive'].includes(mode))
  return {
    purpose: 'bench',
    pinDir: '/sys/fs/bpf/meshbench',
    usesBpf,
    writes: [tmpdir(), '/run'],
    commands: [
      'bash',
      'ip',
      'nsenter',
      'setpriv',
      'ss',
      'sysctl',
      'nginx',
      'h2load',
      ...(usesBpf ? ['bpftool'] : []),
      ...(proxy === 'haproxy' ? [proxy] : []),
    ],
    iptables: ways.some((way) => way !== 'nft'),
  }
}

/** Checks the command line, and returns what it asks for. */
function prepare(
  args: Args,
  environment: CliEnvironment,
): (bench: BenchEnvironment) => Promise<Report> {
  const { duration } = args
  const seconds =
    duration === undefined
      ? undefined
      : durationMs('--duration', duration, { minMs: 1, maxMs: 3_600_000 }) / 1000
  const given = { ...args, duration: seconds }
  try {
    if (args.kubernetes) {
      const options = planKubernetes(given)
      return async (bench) => {
        // Other commands need not wait for the API server's client to load.
        const { runKubernetesBench } = await import('../../../bench/kubernetes/bench.ts')
        const { loadKubeConfig } = await import('../../sources/kubernetes/client/kube-config.ts')
        return runKubernetesBench(await loadKubeConfig(), options, bench)
      }
    }
    const options = planBench(given)
    requireRoot(environment, 'run the bench')
    const findings = checkMachine(environment, benchPlace(options), ['fatal', 'refused'])
    return async (bench) => {
      using stack = new UndoStack(bench.say)
      const { mounts, undo } = mountMissing(findings)
      stack.defer('unmount what was missing', undo)
      for (const { type, at } of mounts)
        bench.say(`mounted ${type} at ${at} for the time of the run`)
      return await runBench(options, bench)
    }
  } catch (error) {
    throw error instanceof PlanError ? new UsageError(error.message) : error
  }
}
