import { writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import type { CommandModule } from 'yargs'
import { ControlClient } from '../../api/client.ts'
import type { TrialBegunView, TrialRequest, TrialWindowView } from '../../api/views.ts'
import { formatDuration } from '../../lib/duration.ts'
import { isExplained, MeshaccelError } from '../../lib/errors.ts'
import { fewestPairs } from '../../lib/paired-ratio.ts'
import { environmentOf, type CliEnvironment } from '../environment.ts'
import { withHelp } from '../help.ts'
import { durationMs, outputOption, socketOption } from '../options.ts'
import { print } from '../output/print.ts'
import { outcomeOf } from '../trial/outcome.ts'
import { renderTrial } from '../trial/report.ts'
import { adviceOf, type Before, describeOutcome } from '../trial/words.ts'
import { UsageError } from '../usage-error.ts'

interface Args {
  readonly namespace: string
  readonly for: string
  readonly window: string
  readonly report: string | undefined
  readonly socket: string
  readonly output: 'table' | 'json'
}

/** Connections join and leave within a second or two after a switch. */
const longestSettleMs = 3_000

const command: CommandModule<object, Args> = {
  command: 'trial <namespace>',
  describe: 'Find out by live traffic whether acceleration helps a namespace',
  builder: (yargs) =>
    withHelp(
      yargs
        .options({
          for: {
            type: 'string',
            default: '10m',
            describe: 'How long the trial takes: 90s, 10m, 2h',
            requiresArg: true,
          },
          window: {
            type: 'string',
            default: '20s',
            describe: 'The length of a window, its settling time included',
            requiresArg: true,
          },
          report: {
            type: 'string',
            describe: 'Also write the comparison as an HTML page to this file',
            requiresArg: true,
          },
          socket: socketOption,
          output: outputOption,
        })
        .positional('namespace', { type: 'string', demandOption: true, describe: 'NAMESPACE' }),
      {
        usage: 'trial NAMESPACE',
        about:
          'Switches the acceleration of a namespace on this node on and off, in shuffled pairs of windows, and compares ' +
          'latency and processor time. No connection breaks. Once the command ends, for whatever reason, the namespace ' +
          'is again as its annotations say. Pods that are disabled stay disabled.',
        examples: [
          ['trial shop', 'ten minutes, in windows of twenty seconds'],
          ['trial shop --for 1h --report trial.html', 'more certainty, with a page to hand on'],
        ],
        exit: '0 the trial is complete, 1 it failed or was ended early, 2 invalid command line',
      },
    ),
  handler: async (args) => {
    const environment = environmentOf(args)
    const { namespace } = args
    const request = requestOf(args)
    using client = await ControlClient.connect(args.socket)
    const before = await beforeTrial(client, namespace)
    const end = environment.endSignal()
    const windows = await runTrial(client, request, end, environment)
    const outcome = outcomeOf(namespace, windows, request.windowMs)
    const advice = adviceOf(outcome, before)
    if (args.report !== undefined) {
      writeFileSync(args.report, renderTrial(outcome, advice, new Date()))
    }
    print(environment, args.output, { ...outcome, advice: advice.join(' ') }, () =>
      describeOutcome(outcome, advice, environment),
    )
    if (windows.length === 2 * request.pairs) return
    await untilRestored(client)
    environment.stderr.write('the trial was ended early; the namespace is as before\n')
    environment.exitCode = 1
  },
}

export default command

function requestOf(args: Pick<Args, 'namespace' | 'for' | 'window'>): TrialRequest {
  const windowMs = durationMs('--window', args.window, { minMs: 500, maxMs: 3_600_000 })
  const forMs = durationMs('--for', args.for, { minMs: 1_000, maxMs: 7 * 86_400_000 })
  const pairs = Math.floor(forMs / (2 * windowMs))
  if (pairs < fewestPairs) {
    const least = formatDuration(2 * fewestPairs * windowMs)
    throw new UsageError(
      `--for must leave time for ${fewestPairs} pairs of windows: ${least} for windows of ${formatDuration(windowMs)}`,
    )
  }
  return {
    namespace: args.namespace,
    windowMs: Math.round(windowMs),
    settleMs: Math.round(Math.min(longestSettleMs, windowMs / 4)),
    pairs,
    seed: Math.floor(Math.random() * 2 ** 32),
  }
}

async function beforeTrial(client: ControlClient, namespace: string): Promise<Before> {
  const { source } = await client.call('Status', {})
  const { pods } = await client.call('Pods', {})
  const enrolled = pods.some((pod) => pod.namespace === namespace && pod.enrolled)
  return { enrolled, source: source.name }
}

/** Returns the complete windows, also if the user ends the trial early. */
async function runTrial(
  client: ControlClient,
  request: TrialRequest,
  end: AbortSignal,
  { stderr }: CliEnvironment,
): Promise<TrialWindowView[]> {
  const windows: TrialWindowView[] = []
  const ended = (cause?: unknown): MeshaccelError =>
    new MeshaccelError('the agent has ended', {
      code: 'AGENT_ENDED',
      operation: `try namespace ${request.namespace}`,
      hint: 'An agent that starts puts the namespace back as its annotations say.',
      cause,
    })
  const total = 2 * request.pairs
  try {
    for await (const { begun, window } of client.trial(request, end)) {
      if (begun) stderr.write(beginning(begun, request))
      if (!window) continue
      windows.push(window)
      const leftMs = (total - windows.length) * request.windowMs
      const requests = window.programs.count + window.proxies.count
      const line =
        `window ${windows.length} of ${total}, ${window.on ? 'accelerated' : 'by TCP'}: ${requests} requests; ` +
        `${formatDuration(Math.ceil(leftMs / 1000) * 1000)} left`
      // A terminal shows only the last window.
      stderr.write(stderr.isTTY ? `\r\u001B[K${line}` : `${line}\n`)
    }
  } catch (error) {
    if (isExplained(error) && error.code !== 'AGENT_FAILED') throw error
    throw ended(error)
  } finally {
    if (stderr.isTTY && windows.length > 0) stderr.write('\n')
  }
  if (windows.length < total && !end.aborted) throw ended()
  return windows
}

function beginning(
  { pods, leftOut }: TrialBegunView,
  { namespace, pairs, windowMs, settleMs }: TrialRequest,
): string {
  const lines = [
    `trial of ${namespace}: ${pods.length} pods, ${pairs} pairs of windows of ${formatDuration(windowMs)}; ` +
      `the first ${formatDuration(settleMs)} of each do not count; Ctrl-C ends it`,
    ...leftOut.map(({ pod, reason }) => `left out: ${pod} (${reason})`),
  ]
  lines.push(
    'the agent measures every request during the trial: some 0.1 us for each send and each receive, in both kinds of windows',
  )
  return `${lines.join('\n')}\n`
}

/** The agent puts everything back once it notices that the stream has ended. */
async function untilRestored(client: ControlClient): Promise<void> {
  for (let looks = 0; looks < 50; looks += 1) {
    const { trial } = await client.call('Status', {})
    if (!trial) return
    await pause(100)
  }
}
