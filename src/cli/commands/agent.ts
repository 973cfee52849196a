import { hostname } from 'node:os'
import { dirname } from 'node:path'
import type { CommandModule } from 'yargs'
import { startAgent } from '../../agent/start.ts'
import {
  defaults,
  requestedPolicies,
  type AgentConfig,
  type HttpAddress,
  type PodsOrigin,
  type RequestedPolicy,
} from '../../lib/config.ts'
import { guardForm, parseGuard } from '../../lib/guard-limit.ts'
import { createLog } from '../../lib/log.ts'
import { checkMachine } from '../check-machine.ts'
import { environmentOf } from '../environment.ts'
import { withHelp } from '../help.ts'
import { btfOption, cgroupOption, durationMs, pinOption, socketOption } from '../options.ts'
import { requireRoot } from '../require-root.ts'
import { UsageError } from '../usage-error.ts'

interface Args {
  readonly pods: string
  readonly node: string | undefined
  readonly cri: string | undefined
  readonly metrics: string | undefined
  readonly cgroup: string | undefined
  readonly pin: string
  readonly btf: string | undefined
  readonly socket: string
  readonly default: 'on' | 'off'
  readonly cap: number
  readonly 'pod-memory': number | undefined
  readonly policy: RequestedPolicy
  readonly measure: AgentConfig['measure']
  readonly 'measure-one-in': number
  readonly guard: string
  readonly otlp: string | undefined
  readonly 'slow-request': string
  readonly 'cleanup-on-exit': boolean
  readonly 'log-level': 'debug' | 'info' | 'warn' | 'error'
}

const command: CommandModule<object, Args> = {
  command: 'agent',
  describe: 'Run the node agent in the foreground',
  builder: (yargs) =>
    withHelp(
      yargs.options({
        pods: {
          type: 'string',
          demandOption: true,
          describe: 'Where pods come from: kubernetes or file:PATH',
          requiresArg: true,
        },
        node: {
          type: 'string',
          describe: "This node's name in Kubernetes [default: $NODE_NAME, else the hostname]",
          requiresArg: true,
        },
        cri: {
          type: 'string',
          describe: "The container runtime's socket [default: all known ones that exist]",
          requiresArg: true,
        },
        metrics: {
          type: 'string',
          describe: 'HOST:PORT to serve /healthz, /readyz, /metrics and /status at',
          requiresArg: true,
        },
        cgroup: cgroupOption,
        pin: pinOption,
        btf: btfOption,
        socket: socketOption,
        default: {
          choices: ['on', 'off'] as const,
          default: 'off' as const,
          describe: 'Whether pods are enrolled that have no annotation or key `enabled`',
          requiresArg: true,
        },
        cap: {
          type: 'number',
          default: defaults.capBytes,
          describe: 'Redirected and unread bytes that one direction may hold',
          requiresArg: true,
        },
        'pod-memory': {
          type: 'number',
          describe:
            "Bytes of kernel memory for a pod's redirected and unread messages (a 64th of the machine's, 32 MiB at least)",
          requiresArg: true,
        },
        policy: {
          choices: requestedPolicies,
          default: 'auto' as const,
          describe: 'auto takes the policy that the self-test finds; the others are for tests',
          requiresArg: true,
        },
        measure: {
          choices: ['off', 'namespaces', 'pods'] as const,
          default: 'namespaces' as const,
          describe:
            'Measure requests, messages and read delays in the kernel, per pair of namespaces or pods',
          requiresArg: true,
        },
        'measure-one-in': {
          choices: [1, 2, 4, 8, 16, 32, 64] as const,
          default: defaults.measureOneIn,
          describe:
            'With --measure: measure one slice of time in this many, and estimate the rest. 1 measures everything',
          requiresArg: true,
        },
        guard: {
          type: 'string',
          default: 'off',
          describe:
            'Hold a namespace on TCP once acceleration makes its p99 slower by more than this, for pods without an ' +
            'annotation or key `guard`: 10%, or off',
          requiresArg: true,
        },
        otlp: {
          type: 'string',
          describe: 'Send slow requests as spans to this OTLP collector: http://HOST:4318',
          requiresArg: true,
        },
        'slow-request': {
          type: 'string',
          default: '1s',
          describe:
            'With --otlp: report requests that take at least this long: 50ms, 1s, or milliseconds',
          requiresArg: true,
        },
        'cleanup-on-exit': {
          type: 'boolean',
          default: false,
          describe: 'Drain and remove everything when the agent ends',
        },
        'log-level': {
          choices: ['debug', 'info', 'warn', 'error'] as const,
          default: 'info' as const,
          describe: 'The lowest level that is logged, to the standard error output',
          requiresArg: true,
        },
      }),
      {
        usage: 'agent --pods kubernetes|file:PATH',
        about:
          'Runs the node agent in the foreground. SIGTERM ends it and leaves its pinned BPF objects, which the next agent ' +
          'adopts. Until then nothing new joins. Live connections stay fast under the policy strict. Under full and ' +
          'proxies-only they are back on TCP after five seconds.',
        examples: [
          ['agent --pods kubernetes', 'on a node of a cluster'],
          ['agent --pods file:pods.yaml', 'without Kubernetes'],
          ['agent --pods file:pods.yaml --cleanup-on-exit', 'to try it and leave nothing behind'],
        ],
        exit: '0 ended on request, 1 could not start or could not remove everything, 2 invalid command line',
        more:
          'A pods file is YAML, re-read when it changes. The shortest one:\n' +
          'pods: [{namespace: shop, name: cart-0, netns: /run/netns/cart, mesh: istio, enabled: true}]\n\n' +
          '`pid: 1234` may stand for `netns`, and `mesh: linkerd` or `proxyUid: 1337` for `mesh: istio`. ' +
          '`exclude: {ports: [5432, 8000-8999], cidrs: [10.9.0.0/16], uids: [999]}` keeps connections of the pod on TCP. ' +
          '`guard: 10%` sets its limit for --guard.',
      },
    ),
  handler: async (args) => {
    const environment = environmentOf(args)
    refuseNonsense(args)
    requireRoot(environment, 'run the agent')
    checkMachine(environment, {
      purpose: 'agent',
      pinDir: args.pin,
      cgroup: args.cgroup,
      btf: args.btf,
      writes: [dirname(args.socket)],
    })
    const log = createLog(args['log-level'], environment.stderr)
    const end = environment.endSignal()
    const agent = await startAgent(
      {
        pods: podsOrigin(args, environment.env),
        cgroupPath: args.cgroup,
        pinDir: args.pin,
        btf: args.btf,
        socketPath: args.socket,
        defaultEnabled: args.default === 'on',
        capBytes: args.cap,
        podMemoryBytes: args['pod-memory'],
        policy: args.policy,
        measure: args.measure,
        measureOneIn: args['measure-one-in'],
        guardPercent: guardPercent(args.guard),
        ...(args.otlp === undefined
          ? {}
          : { otlp: { url: args.otlp, slowRequestMs: slowRequestMs(args['slow-request']) } }),
        cleanupOnExit: args['cleanup-on-exit'],
        ...(args.metrics === undefined ? {} : { http: httpAddress(args.metrics) }),
      },
      log,
      environment.agentParts,
    )
    const stop = (): void => void agent.stop().catch(() => undefined)
    if (end.aborted) stop()
    end.addEventListener('abort', stop)
    await agent.ended
  },
}

export default command

function refuseNonsense({
  pods,
  cap,
  'pod-memory': podMemory,
  metrics,
  guard,
  otlp,
  'slow-request': slow,
}: Args): void {
  if (!/^(?:kubernetes$|file:.)/.test(pods)) {
    throw new UsageError(`--pods must be kubernetes or file:PATH, not ${pods}`)
  }
  if (metrics !== undefined) httpAddress(metrics)
  if (otlp !== undefined && !(/^https?:/.test(otlp) && URL.canParse(otlp))) {
    throw new UsageError(`--otlp must be a URL such as http://127.0.0.1:4318, not ${otlp}`)
  }
  slowRequestMs(slow)
  guardPercent(guard)
  if (!Number.isInteger(cap) || cap < 4096 || cap > 1 << 30) {
    throw new UsageError('--cap must be a whole number of bytes from 4096 to 1073741824')
  }
  if (podMemory !== undefined && (!Number.isInteger(podMemory) || podMemory < 1 << 20)) {
    throw new UsageError('--pod-memory must be a whole number of bytes, 1048576 at least')
  }
}

function guardPercent(text: string): number {
  const percent = parseGuard(text)
  if (percent === undefined) throw new UsageError(`--guard must be ${guardForm}, not ${text}`)
  return percent
}

function slowRequestMs(text: string): number {
  const limits = { minMs: 0.001, maxMs: 1e9, plainUnit: 'ms' } as const
  return durationMs('--slow-request', text, limits)
}

function podsOrigin(
  { pods, node, cri }: Args,
  env: Readonly<Record<string, string | undefined>>,
): PodsOrigin {
  if (pods !== 'kubernetes') return { file: pods.slice('file:'.length) }
  const kubernetesNode = node ?? (env['NODE_NAME'] || hostname())
  return { kubernetesNode, ...(cri === undefined ? {} : { criSocket: socketPath(cri) }) }
}

/** Kubelet and crictl write it as a URL. */
function socketPath(text: string): string {
  return text.replace(/^unix:(?:\/\/)?/, '')
}

/** `127.0.0.1:9090`, `[::1]:9090`, `:9090` for every address. */
function httpAddress(text: string): HttpAddress {
  const [, ipv6, host = '', digits] = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  if (digits === undefined || port > 65_535) {
    throw new UsageError(`--metrics must be HOST:PORT, not ${text}`)
  }
  return { host: ipv6 ?? (host || '::'), port }
}
