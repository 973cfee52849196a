import type { CommandModule } from 'yargs'
import { ControlClient } from '../api/client.ts'
import { environmentOf } from './environment.ts'
import { outputOption, socketOption } from './options.ts'
import { print } from './print.ts'
import { renderTable, type Column } from './table.ts'

const columns: readonly Column[] = [
  { title: 'POD', flexible: true },
  { title: 'PROGRAM', flexible: true },
  { title: 'PROVEN', right: true },
  { title: 'UNPROVEN', flexible: true },
  { title: 'QUARANTINED', flexible: true },
]

const command: CommandModule<object, { socket: string; output: 'table' | 'json' }> = {
  command: 'readers',
  describe: 'The programs that read in enrolled pods, and how many of their connections are proven',
  builder: { socket: socketOption, output: outputOption },
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
