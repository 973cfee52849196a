import type { CommandModule } from 'yargs'
import { ControlClient } from '../api/client.ts'
import { environmentOf } from './environment.ts'
import { outputOption, socketOption } from './options.ts'
import { formatBytes, print } from './print.ts'
import { renderTable, type Column } from './table.ts'

const columns: readonly Column[] = [
  { title: 'POD', flexible: true },
  { title: 'MESH' },
  { title: 'ENROLLED', flexible: true },
  { title: 'ENGAGED', right: true },
  { title: 'PLAIN', right: true },
  { title: 'REDIRECTED', right: true },
  { title: 'IPS', flexible: true },
]

const command: CommandModule<object, { socket: string; output: 'table' | 'json' }> = {
  command: 'pods',
  describe: 'The pods the agent sees: enrolled, or why not',
  builder: { socket: socketOption, output: outputOption },
  handler: async (args) => {
    const environment = environmentOf(args)
    using client = await ControlClient.connect(args.socket)
    const result = await client.call('Pods', {})
    print(environment, args.output, result, () =>
      result.pods.length === 0
        ? 'No pods.\n'
        : renderTable(
            columns,
            result.pods.map((pod) => [
              `${pod.namespace}/${pod.name}`,
              pod.mesh ?? '-',
              pod.enrolled ? 'yes' : `no: ${pod.reason ?? 'unknown'}`,
              String(pod.connections.engaged),
              String(pod.connections.plain),
              formatBytes(pod.redirectedBytes),
              pod.ips.join(' ') || '-',
            ]),
            environment,
          ),
    )
  },
}

export default command
