import type { CommandModule } from 'yargs'
import type { AgentState, StatusView } from '../../api/views.ts'
import type { ClusterArgs } from '../cluster/cluster-args.ts'
import type { CliEnvironment } from '../environment.ts'
import { withHelp } from '../help.ts'
import { type ShowArgs, showOptions } from '../options.ts'
import { wordsOfGuard } from '../output/words/guard.ts'
import { fold, plain } from '../output/plain-text.ts'
import { formatBytes } from '../output/print.ts'
import { paint, widthOf } from '../output/table.ts'
import { show } from '../output/show.ts'
import { UsageError } from '../usage-error.ts'

interface Args extends ShowArgs, ClusterArgs {
  readonly cluster: boolean
}

const command: CommandModule<object, Args> = {
  command: 'status',
  describe: 'Whether this node accelerates, and how much',
  builder: (yargs) =>
    withHelp(
      yargs.options({
        ...showOptions,
        cluster: {
          type: 'boolean',
          default: false,
          describe: 'Show all nodes of the cluster that the kubeconfig names instead',
        },
        kubeconfig: {
          type: 'string',
          describe: 'With --cluster: the kubeconfig [default: $KUBECONFIG, else ~/.kube/config]',
          requiresArg: true,
        },
        context: {
          type: 'string',
          describe: 'With --cluster: the context of the kubeconfig [default: its current one]',
          requiresArg: true,
        },
        selector: {
          alias: 'l',
          type: 'string',
          describe: 'With --cluster: only nodes with these labels, as kubectl takes them',
          requiresArg: true,
        },
        timeout: {
          type: 'string',
          default: '5s',
          describe: 'With --cluster: how long the agent of each node may take to answer',
          requiresArg: true,
        },
      }),
      {
        usage: 'status',
        about:
          'Shows whether this node accelerates, under which policy, and how much took the fast path or TCP. With ' +
          '--cluster it has a line for each node, and asks their agents through the API server, as kubectl ' +
          'port-forward does. It names nodes without an agent, and agents that do not answer.',
        examples: [
          ['status', 'in short'],
          ['status -o json', 'also shows how often each reason kept something from the fast path'],
          ['status --watch 1', 'again every second'],
          ['status --cluster', 'every node, from any machine with a kubeconfig'],
        ],
        exit:
          '0 it accelerates, with --cluster every node does; 1 it does not or no agent answers; 2 invalid command ' +
          'line',
      },
    ),
  handler: async (args) => {
    if (args.cluster) {
      // Other commands need not wait for the API server's client to load.
      const { showCluster } = await import('../cluster/show-cluster.ts')
      return showCluster(args)
    }
    refuseWithoutCluster(args)
    return show(args, {
      ask: async (client) => {
        // The wire puts maps first; people read the state first.
        const { reasons, ...rest } = await client.call('Status', {})
        return { ...rest, reasons }
      },
      table: describe,
      seen: ({ state }, environment) => {
        environment.exitCode = state === 'accelerating' ? 0 : 1
      },
    })
  },
}

export default command

/** A forgotten --cluster would show this node alone. */
function refuseWithoutCluster(args: ClusterArgs): void {
  const given = (['kubeconfig', 'context', 'selector'] as const).find(
    (name) => args[name] !== undefined,
  )
  if (given !== undefined) throw new UsageError(`--${given} needs --cluster`)
}

const colours: Readonly<Record<AgentState, 'green' | 'yellow' | 'red'>> = {
  accelerating: 'green',
  disabled: 'yellow',
  draining: 'yellow',
  refused: 'red',
}

/** The next step, if it does not accelerate. */
const next: Readonly<Partial<Record<AgentState, string>>> = {
  disabled: '`meshaccel resume` switches redirecting on again',
  draining: 'connections are leaving; `meshaccel resume` switches redirecting on again',
  refused: '`meshaccel doctor` shows what the self-test found',
}

function describe(status: StatusView, environment: CliEnvironment): string {
  const { pods, connections, totals, source } = status
  const lines: (readonly [string, string])[] = [
    ['state', paint(colours[status.state], status.state, environment)],
    ['policy', status.policy],
  ]
  if (status.refusedBecause !== undefined) lines.push(['because', plain(status.refusedBecause)])
  const step = next[status.state]
  if (step !== undefined) lines.push(['next', step])
  lines.push(
    ['kernel', status.kernel],
    ['version', status.version],
    ['pods', `${pods.enrolled} enrolled of ${pods.seen} seen`],
    [
      'connections',
      `${connections.now} now: ${connections.engaged} engaged, ${connections.plain} plain, ${connections.mixed} mixed`,
    ],
    ['', `${connections.watched} watched, ${connections.joined} joined`],
    [
      'redirected',
      `${formatBytes(totals.redirectedBytes)} in ${totals.redirectedMessages} messages`,
    ],
    ['by TCP', `${formatBytes(totals.tcpBytes)}, ${totals.tcpMessages} messages of members`],
  )
  if (status.trial) {
    const { namespace, on } = status.trial
    lines.push(['trial', `of namespace ${plain(namespace)}, ${on ? 'accelerated' : 'by TCP'} now`])
  }
  if (status.heldPods.length > 0) {
    lines.push(['on TCP', `for a capture: ${plain(status.heldPods.join(', '))}`])
  }
  if (status.advice) {
    const { namespaces } = status.advice
    lines.push(['advice', `is being made about ${plain(namespaces.join(', '))}`])
  }
  for (const one of status.guarded) lines.push(['guard', plain(wordsOfGuard(one))])
  if (status.podsFileError !== undefined) {
    lines.push(['pods file', paint('red', plain(status.podsFileError), environment)])
  } else if (source.error !== undefined) {
    lines.push([source.name, paint('red', plain(source.error), environment)])
  }
  const width = widthOf(environment)
  return lines
    .flatMap(([name, value]) => fold(`${name.padEnd(12)}${value}`, width, ' '.repeat(12)))
    .map((line) => `${line}\n`)
    .join('')
}
