import type { CommandModule } from 'yargs'
import { ControlClient } from '../../api/client.ts'
import type { ReaderView } from '../../api/views.ts'
import { environmentOf } from '../environment.ts'
import { withHelp } from '../help.ts'
import { type ShowArgs, showOptions, socketOption } from '../options.ts'
import { renderTable, type Column } from '../output/table.ts'
import { UsageError } from '../usage-error.ts'
import { show } from '../output/show.ts'

const columns: readonly Column[] = [
  { title: 'POD', flexible: true },
  { title: 'PROGRAM', flexible: true },
  { title: 'PROVEN', right: true, spare: 1 },
  { title: 'UNPROVEN', flexible: true, spare: 2 },
  { title: 'QUARANTINED', flexible: true },
]

interface ForgiveArgs {
  readonly pod: string
  readonly program: string
  readonly socket: string
}

const forgive: CommandModule<object, ForgiveArgs> = {
  command: 'forgive <pod> <program>',
  describe: 'Lift the quarantine of a program',
  builder: (yargs) =>
    withHelp(
      yargs
        .option('socket', socketOption)
        .positional('pod', { type: 'string', demandOption: true, describe: 'NAMESPACE/NAME' })
        .positional('program', {
          type: 'string',
          demandOption: true,
          describe: 'As `meshaccel readers` shows it',
        }),
      {
        usage: 'readers forgive NAMESPACE/NAME PROGRAM',
        about:
          'Lifts the quarantine of a program in a pod. Fix the program first. Its connections join again once their ' +
          'readers are proven.',
        examples: [['readers forgive shop/cart-0 /usr/sbin/nginx', 'nginx in cart-0']],
      },
    ),
  handler: async (args) => {
    const environment = environmentOf(args)
    const [namespace, name, ...rest] = args.pod.split('/')
    if (!namespace || !name || rest.length > 0) {
      throw new UsageError(`the pod must be NAMESPACE/NAME, not ${args.pod}`)
    }
    using client = await ControlClient.connect(args.socket)
    const { program } = args
    const { forgiven } = await client.call('Forgive', { namespace, name, program })
    environment.stderr.write(forgiven > 0 ? 'forgiven\n' : 'it is not quarantined\n')
  },
}

const command: CommandModule<object, ShowArgs> = {
  command: 'readers',
  describe: 'The programs that read in enrolled pods, and whether they are proven',
  builder: (yargs) =>
    withHelp(yargs.options(showOptions).command(forgive), {
      usage: 'readers',
      about:
        'Lists the programs that read in enrolled pods: how many of their connections are proven, how many are not ' +
        'and why, and which programs are quarantined for what they did on a redirected connection.',
      examples: [
        ['readers', 'all of them'],
        ['readers forgive shop/cart-0 /usr/sbin/nginx', 'lift a quarantine'],
      ],
    }),
  handler: (args) =>
    show(args, {
      ask: (client) => client.call('Readers', {}),
      table: ({ readers }, environment) =>
        readers.length === 0
          ? 'Nothing has read in an enrolled pod yet.\n'
          : renderTable(columns, readers.map(row), environment),
    }),
}

export default command

function row({
  namespace,
  name,
  program,
  quarantined,
  evidence,
  connections,
}: ReaderView): string[] {
  const unproven = Object.entries(connections.unproven).map(
    ([reason, count]) => `${count} ${reason}`,
  )
  return [
    `${namespace}/${name}`,
    program,
    String(connections.proven),
    unproven.join(', ') || '0',
    quarantined ? `yes: ${evidence ?? 'unknown'}` : 'no',
  ]
}
