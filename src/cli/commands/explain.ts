import type { CommandModule } from 'yargs'
import type { ControlClient } from '../../api/client.ts'
import type { FlowView, PodView } from '../../api/views.ts'
import { nearest } from '../../lib/edit-distance.ts'
import { isExplained, MeshaccelError } from '../../lib/errors.ts'
import { environmentOf } from '../environment.ts'
import { explain, type Facts } from '../output/explanation.ts'
import { withHelp } from '../help.ts'
import { outputOption, socketOption } from '../options.ts'
import { fold } from '../output/plain-text.ts'
import { print } from '../output/print.ts'
import { SteadyClient } from '../steady-client.ts'
import { widthOf } from '../output/table.ts'

interface Args {
  readonly pod: string
  readonly socket: string
  readonly output: 'table' | 'json'
}

const command: CommandModule<object, Args> = {
  command: 'explain <pod>',
  describe: 'Explain whether a pod is accelerated, what is not, and what to do',
  builder: (yargs) =>
    withHelp(
      yargs
        .options({ socket: socketOption, output: outputOption })
        .positional('pod', { type: 'string', demandOption: true, describe: 'NAMESPACE/NAME' }),
      {
        usage: 'explain NAMESPACE/NAME',
        about:
          'Tells in words whether a pod of this node is enrolled or why not, how many of its connections are fast, why ' +
          'the others do not, and what to do next.',
        examples: [
          ['explain shop/cart-0', 'why cart-0 is fast or slow'],
          ['explain shop/cart-0 -o json', 'the same for a program'],
        ],
        exit: '0 explained, 1 no agent runs or it does not see the pod, 2 invalid command line',
      },
    ),
  handler: async (args) => {
    const environment = environmentOf(args)
    using client = new SteadyClient(args.socket)
    const facts = await client.ask((asked) => factsOf(asked, args.pod)).catch(inItsWords(args.pod))
    const explanation = explain(facts)
    print(environment, args.output, explanation, () =>
      explanation.sentences
        .flatMap((sentence) => fold(sentence, widthOf(environment), '    '))
        .map((line) => `${line}\n`)
        .join(''),
    )
  },
}

export default command

async function factsOf(client: ControlClient, key: string): Promise<Facts> {
  const { pods } = await client.call('Pods', {})
  const isIt = ({ namespace, name }: Pick<PodView, 'namespace' | 'name'>): boolean =>
    `${namespace}/${name}` === key
  const pod = pods.find(isIt)
  if (pod === undefined) throw notSeen(key, pods)
  const { readers } = await client.call('Readers', {})
  const flows: FlowView[] = []
  for await (const chunk of client.flows({ pod: key })) flows.push(...chunk)
  return {
    status: await client.call('Status', {}),
    pod,
    pods,
    readers: readers.filter(isIt),
    flows,
  }
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
