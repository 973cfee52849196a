import type { CommandModule } from 'yargs'
import { ControlClient } from '../api/client.ts'
import type { FlowView } from '../api/views.ts'
import { MeshaccelError } from '../errors.ts'
import { environmentOf } from './environment.ts'
import { explain } from './explanation.ts'
import { outputOption, socketOption } from './options.ts'
import { print } from './print.ts'

interface Args {
  readonly pod: string
  readonly socket: string
  readonly output: 'table' | 'json'
}

const command: CommandModule<object, Args> = {
  command: 'explain <pod>',
  describe: 'In words: whether a pod is accelerated, which connections are not, and what to do',
  builder: (yargs) =>
    yargs
      .options({ socket: socketOption, output: { ...outputOption, default: 'table' as const } })
      .positional('pod', { type: 'string', demandOption: true, describe: 'NAMESPACE/NAME' })
      .example('$0 explain shop/cart-0', 'why cart-0 is fast or slow'),
  handler: async (args) => {
    const environment = environmentOf(args)
    using client = await ControlClient.connect(args.socket)
    const { pods } = await client.call('Pods', {})
    const pod = pods.find(({ namespace, name }) => `${namespace}/${name}` === args.pod)
    if (pod === undefined) throw notSeen(args.pod, pods.length)
    const { readers } = await client.call('Readers', {})
    const flows: FlowView[] = []
    for await (const chunk of client.flows()) flows.push(...chunk)
    const explanation = explain({
      status: await client.call('Status', {}),
      pod,
      readers: readers.filter(({ namespace, name }) => `${namespace}/${name}` === args.pod),
      flows,
    })
    print(environment, args.output, explanation, () =>
      explanation.sentences.map((sentence) => `${sentence}\n`).join(''),
    )
  },
}

export default command

const notSeen = (pod: string, seen: number): MeshaccelError =>
  new MeshaccelError(`the agent of this node does not see ${pod}`, {
    code: 'NO_SUCH_POD',
    operation: 'explain',
    hint:
      `It sees ${seen} pods: \`meshaccel pods\` lists them. A pod is seen by the agent of its own node only, and ` +
      'is named NAMESPACE/NAME.',
  })
