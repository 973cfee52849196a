import type { CommandModule } from 'yargs'
import type { ControlClient } from '../../api/client.ts'
import type { FlowView, PodView } from '../../api/views.ts'
import { nearest } from '../../lib/edit-distance.ts'
import { isExplained, MeshaccelError } from '../../lib/errors.ts'
import type { PodPlace } from '../advise/spread.ts'
import { environmentOf, type CliEnvironment } from '../environment.ts'
import { explain, type Explanation, type Facts } from '../output/explanation.ts'
import { explainPair, type PairExplanation, type PairFacts } from '../output/pair-explanation.ts'
import { withHelp } from '../help.ts'
import { outputOption, socketOption } from '../options.ts'
import { fold } from '../output/plain-text.ts'
import { print } from '../output/print.ts'
import { SteadyClient } from '../steady-client.ts'
import { UsageError } from '../usage-error.ts'
import { widthOf } from '../output/table.ts'

interface Args {
  readonly pod: string
  readonly to: string | undefined
  readonly socket: string
  readonly output: 'table' | 'json'
}

const command: CommandModule<object, Args> = {
  command: 'explain <pod>',
  describe: 'Explain whether a pod or a pair of pods is accelerated, what is not, and what to do',
  builder: (yargs) =>
    withHelp(
      yargs
        .options({
          to: {
            type: 'string',
            describe: 'Only the connections with this pod, NAMESPACE/NAME, in either direction',
            requiresArg: true,
          },
          socket: socketOption,
          output: outputOption,
        })
        .positional('pod', { type: 'string', demandOption: true, describe: 'NAMESPACE/NAME' }),
      {
        usage: 'explain NAMESPACE/NAME',
        about:
          'Tells in words whether a pod of this node is enrolled or why not, how many of its connections are fast, why ' +
          'the others do not, and what to do next.',
        examples: [
          ['explain shop/cart-0', 'why cart-0 is fast or slow'],
          ['explain shop/cart-0 --to shop/stock-0', 'why these two talk fast or slowly'],
          ['explain shop/cart-0 -o json', 'the same for a program'],
        ],
        exit: '0 explained, 1 no agent runs or it does not see the pod, 2 invalid command line',
      },
    ),
  handler: async (args) => {
    const environment = environmentOf(args)
    using client = new SteadyClient(args.socket)
    const { pod, to } = args
    if (to !== undefined && !/^[^/]+\/[^/]+$/.test(to)) {
      throw new UsageError(`--to must be NAMESPACE/NAME, not ${to}`)
    }
    const explanation = await client
      .ask<Explanation | PairExplanation>(async (asked) =>
        to === undefined
          ? explain(await factsOf(asked, pod))
          : explainPair(await pairFactsOf(asked, pod, to, environment)),
      )
      .catch(inItsWords(pod))
    print(environment, args.output, explanation, () =>
      explanation.sentences
        .flatMap((sentence) => fold(sentence, widthOf(environment), '    '))
        .map((line) => `${line}\n`)
        .join(''),
    )
  },
}

export default command

type Named = Pick<PodView, 'namespace' | 'name'>

const isNamed =
  (key: string) =>
  ({ namespace, name }: Named): boolean =>
    `${namespace}/${name}` === key

async function podsOf(
  client: ControlClient,
  key: string,
): Promise<{ readonly pod: PodView; readonly pods: readonly PodView[] }> {
  const { pods } = await client.call('Pods', {})
  const pod = pods.find(isNamed(key))
  if (pod === undefined) throw notSeen(key, pods)
  return { pod, pods }
}

async function flowsOf(client: ControlClient, pod: string): Promise<FlowView[]> {
  const flows: FlowView[] = []
  for await (const chunk of client.flows({ pod })) flows.push(...chunk)
  return flows
}

async function factsOf(client: ControlClient, key: string): Promise<Facts> {
  const { pod, pods } = await podsOf(client, key)
  const { readers } = await client.call('Readers', {})
  return {
    status: await client.call('Status', {}),
    pod,
    pods,
    readers: readers.filter(isNamed(key)),
    flows: await flowsOf(client, key),
  }
}

async function pairFactsOf(
  client: ControlClient,
  key: string,
  to: string,
  { env }: CliEnvironment,
): Promise<PairFacts> {
  const { pod, pods } = await podsOf(client, key)
  const status = await client.call('Status', {})
  const view = pods.find(isNamed(to))
  const place = view || status.source.name !== 'kubernetes' ? undefined : await placeOf(to, env)
  const guess =
    view || place
      ? undefined
      : nearest(
          to,
          pods.map(({ namespace, name }) => `${namespace}/${name}`),
        )
  return {
    status,
    pod,
    to: {
      key: to,
      view,
      ...(guess === undefined ? {} : { guess }),
      ...(place && { ips: place.ips }),
      ...(place?.node === undefined ? {} : { node: place.node }),
    },
    pods,
    flows: await flowsOf(client, !pod.enrolled && view?.enrolled ? to : key),
  }
}

/** The pod as the API server knows it, if the user may ask. */
async function placeOf(pod: string, env: CliEnvironment['env']): Promise<PodPlace | undefined> {
  // Imported on demand: client-node is large.
  const { findPlaces } = await import('../advise/places.ts')
  const { places } = await findPlaces([], [pod], env)
  return places.byPod.get(pod)
}

function notSeen(key: string, pods: readonly PodView[]): MeshaccelError {
  const keys = pods.map(({ namespace, name }) => `${namespace}/${name}`)
  const meant = keys.filter((seen) => seen.endsWith(`/${key}`))
  const [guess = nearest(key, keys)] = meant
  return new MeshaccelError(`the agent of this node does not see ${key}`, {
    code: 'NO_SUCH_POD',
    operation: 'explain',
    hint:
      (guess === undefined ? '' : `Did you mean ${guess}? `) +
      `It sees ${keys.length} pods: \`meshaccel pods\` lists them. A pod is seen by the agent of its own node only, and ` +
      'is named NAMESPACE/NAME.',
  })
}

/** No agent is a reason of its own why a pod is not accelerated. */
function inItsWords(pod: string): (error: unknown) => never {
  return (error) => {
    if (!isExplained(error) || error.code !== 'AGENT_NOT_RUNNING') throw error
    throw new MeshaccelError(
      `no agent runs on this node, so no connection of ${pod} joins the fast path (${error.message})`,
      { code: error.code, operation: 'explain', hint: error.hint, cause: error },
    )
  }
}
