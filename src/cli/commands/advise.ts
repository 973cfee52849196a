import type { CommandModule } from 'yargs'
import { ControlClient } from '../../api/client.ts'
import type { AdviceBegunView, AdviceReportView, PeerView, StatusView } from '../../api/views.ts'
import { formatDuration } from '../../lib/duration.ts'
import { Progress, type Step } from '../../lib/progress.ts'
import { isExplained, MeshaccelError } from '../../lib/errors.ts'
import { rank } from '../advise/ranking.ts'
import { nowhere, peersElsewhere, spreadPairs, type Places } from '../advise/spread.ts'
import { describeAdvice, type Surroundings } from '../advise/words.ts'
import { environmentOf, type CliEnvironment } from '../environment.ts'
import { withHelp } from '../help.ts'
import { durationMs, outputOption, socketOption } from '../options.ts'
import { print } from '../output/print.ts'

interface Args {
  readonly namespaces: readonly string[]
  readonly for: string
  readonly socket: string
  readonly output: 'table' | 'json'
}

/** The agent's own bound, too. */
const longestMs = 600_000

const command: CommandModule<object, Args> = {
  command: 'advise [namespaces..]',
  describe: 'Find out by live traffic which namespaces acceleration would help',
  builder: (yargs) =>
    withHelp(
      yargs
        .options({
          for: {
            type: 'string',
            default: '60s',
            describe: 'How long to watch: 30s, 5m, at most 10m',
            requiresArg: true,
          },
          socket: socketOption,
          output: outputOption,
        })
        .positional('namespaces', {
          type: 'string',
          array: true,
          default: [],
          describe: 'NAMESPACE...; none: all with pods that are not enabled',
        }),
      {
        usage: 'advise [NAMESPACE...]',
        about:
          'Watches the connections of pods that are not enabled, and says which of them would join the fast path, ' +
          'which would not and why, and what that would save, the best namespace first. No connection changes. It ' +
          'also names services that talk most with pods of other nodes. Pods that are disabled by name are watched ' +
          'only if their namespace is named.',
        examples: [
          ['advise', 'which namespaces of this node are worth it?'],
          ['advise shop bank --for 5m', 'these two, longer'],
        ],
        exit: '0 advice is given, 1 it failed or was ended early, 2 invalid command line',
        more: 'docs/ADVISE.md says what is measured and what is predicted.',
      },
    ),
  handler: async (args) => {
    const environment = environmentOf(args)
    const { namespaces } = args
    const forMs = Math.round(durationMs('--for', args.for, { minMs: 1_000, maxMs: longestMs }))
    using client = await ControlClient.connect(args.socket)
    const status = await client.call('Status', {})
    const { begun, report } = await watch(client, { namespaces, forMs }, environment)
    if (!report) throw endedBefore()
    const advice = rank(begun, report)
    const around = await surroundings(status, report, environment)
    const { pairs, peersHere, placesError } = around
    print(
      environment,
      args.output,
      { ...advice, pairs, peersHere, ...(placesError === undefined ? {} : { placesError }) },
      () => describeAdvice(advice, around, environment),
    )
    if (report.elapsedMs >= forMs) return
    environment.stderr.write('it was ended early; nothing is watched any more\n')
    environment.exitCode = 1
  },
}

export default command

interface Watched {
  readonly begun: AdviceBegunView
  /** The last report. Absent if there was none. */
  readonly report: AdviceReportView | undefined
}

/** Resolves to what is known, also if the user ends it early. */
async function watch(
  client: ControlClient,
  request: { readonly namespaces: readonly string[]; readonly forMs: number },
  environment: CliEnvironment,
): Promise<Watched> {
  const end = environment.endSignal()
  using progress = new Progress(environment.stderr)
  let begun: AdviceBegunView | undefined
  let report: AdviceReportView | undefined
  try {
    for await (const event of client.advise(request, end)) {
      if (event.begun) {
        begun = event.begun
        progress.say(
          `watches ${begun.pods.length} pods with ${begun.sockets} sockets for ${formatDuration(request.forMs)}; ` +
            'no connection changes; Ctrl-C ends it',
        )
      }
      const look = event.report
      if (!look) continue
      report = look
      progress.show(() => stepOf(look, request.forMs))
    }
  } catch (error) {
    if (isExplained(error) && error.code !== 'AGENT_FAILED') throw error
    throw agentEnded(error)
  }
  if (!begun) throw end.aborted ? endedBefore() : agentEnded(undefined)
  if (!end.aborted && (report?.elapsedMs ?? 0) < request.forMs) throw agentEnded(undefined)
  return { begun, report }
}

/** The looks so far. */
function stepOf({ elapsedMs, namespaces, cost }: AdviceReportView, forMs: number): Step {
  const sum = (of: 'all' | 'wouldJoin'): number =>
    namespaces.reduce((total, view) => total + view[of].connections, 0)
  return {
    what: `${sum('all')} connections, ${sum('wouldJoin')} would join so far`,
    leftMs: forMs - elapsedMs,
    figures: `${cost.looks} looks took ${(Number(cost.cpuUs) / 1000).toFixed(0)} ms`,
  }
}

/** Looks up where the peers with the most bytes are, if the user may ask the API server. */
async function surroundings(
  { source, policy }: StatusView,
  report: AdviceReportView,
  environment: CliEnvironment,
): Promise<Surroundings> {
  const peers = peersElsewhere(report.namespaces)
  const { places, error } = await placesOf(source.name, peers, environment)
  return {
    source: source.name,
    sidecarsOnly: policy === 'proxies-only',
    peersHere: report.namespaces.flatMap((view) => view.peers).filter(({ peer }) => peer),
    pairs: spreadPairs(peers, places, report.elapsedMs),
    placesError: error,
  }
}

async function placesOf(
  source: string,
  peers: readonly PeerView[],
  { env }: CliEnvironment,
): Promise<{ readonly places: Places; readonly error?: string }> {
  // Pods of a file are unknown to any API server.
  if (peers.length === 0 || source !== 'kubernetes') return { places: nowhere }
  // Imported on demand: client-node is large.
  const { findPlaces } = await import('../advise/places.ts')
  return findPlaces(
    peers.map(({ address }) => address),
    peers.map(({ pod }) => pod),
    env,
  )
}

const agentEnded = (cause: unknown): MeshaccelError =>
  new MeshaccelError('the agent has ended', {
    code: 'AGENT_ENDED',
    operation: 'advise',
    hint: 'An agent that starts watches only what is enabled.',
    cause,
  })

const endedBefore = (): MeshaccelError =>
  new MeshaccelError('it was ended before the first look', {
    code: 'ENDED_EARLY',
    operation: 'advise',
    hint: 'Nothing is watched any more.',
  })
