import type { CommandModule } from 'yargs'
import { ControlClient } from '../api/client.ts'
import { environmentOf } from './environment.ts'
import { outputOption, socketOption } from './options.ts'
import { print } from './print.ts'
import { renderTable, type Column } from './table.ts'
import { UsageError } from './usage-error.ts'

const columns: readonly Column[] = [
  { title: 'POD', flexible: true },
  { title: 'PROGRAM', flexible: true },
  { title: 'PROVEN', right: true },
  { title: 'UNPROVEN', flexible: true },
  { title: 'QUARANTINED', flexible: true },
]

interface ForgiveArgs {
  readonly pod: string
  readonly program: string
  readonly socket: string
}

const forgive: CommandModule<object, ForgiveArgs> = {
  command: 'forgive <pod> <program>',
  describe: 'Trust a program again that is quarantined',
  builder: (yargs) =>
    yargs
      .option('socket', socketOption)
      .positional('pod', { type: 'string', demandOption: true, describe: 'NAMESPACE/NAME' })
      .positional('program', {
        type: 'string',
        demandOption: true,
        describe: 'As `meshaccel readers` shows it',
      }),
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

const command: CommandModule<object, { socket: string; output: 'table' | 'json' }> = {
  command: 'readers',
  describe: 'The programs that read in enrolled pods, and how many of their connections are proven',
  builder: (yargs) =>
    yargs
      .option('socket', socketOption)
      .option('output', { ...outputOption, default: 'table' as const })
      .command(forgive),
  handler: async (args) => {
    const environment = environmentOf(args)
    using client = await ControlClient.connect(args.socket)
    const result = await client.call('Readers', {})
    print(environment, args.output, result, () =>
      result.readers.length === 0
        ? 'Nothing has read in an enrolled pod yet.\n'
        : renderTable(
            columns,
            result.readers.map(
              ({ namespace, name, program, quarantined, evidence, connections }) => [
                `${namespace}/${name}`,
                program,
                String(connections.proven),
                Object.entries(connections.unproven)
                  .map(([reason, count]) => `${count} ${reason}`)
                  .join(', ') || '0',
                quarantined ? `yes: ${evidence ?? 'unknown'}` : 'no',
              ],
            ),
            environment,
          ),
    )
  },
}

export default command
