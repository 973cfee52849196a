import type { CommandModule } from 'yargs'
import { ControlClient } from '../api/client.ts'
import type { FlowEndView, FlowView } from '../api/views.ts'
import { environmentOf } from './environment.ts'
import { outputOption, socketOption } from './options.ts'
import { formatAge, formatBytes, print } from './print.ts'
import { renderTable, type Column } from './table.ts'

const columns: readonly Column[] = [
  { title: 'CLIENT', flexible: true },
  { title: 'SERVER', flexible: true },
  { title: 'AGE', right: true },
  { title: 'STATE' },
  { title: 'THERE', flexible: true },
  { title: 'BACK', flexible: true },
  { title: 'REDIRECTED', right: true },
  { title: 'TCP', right: true },
]

const command: CommandModule<object, { socket: string; output: 'table' | 'json' }> = {
  command: 'flows',
  describe: 'The live connections of enrolled pods and the path each direction takes',
  builder: { socket: socketOption, output: outputOption },
  handler: async (args) => {
    const environment = environmentOf(args)
    using client = await ControlClient.connect(args.socket)
    const flows: FlowView[] = []
    for await (const chunk of client.flows()) flows.push(...chunk)
    print(environment, args.output, { flows }, () =>
      flows.length === 0 ? 'No connections.\n' : renderTable(columns, flows.map(row), environment),
    )
  },
}

export default command

function row({ client, server, ageMs, state, directions }: FlowView): string[] {
  const sum = (field: 'redirectedBytes' | 'tcpBytes'): bigint =>
    directions.reduce((total, direction) => total + direction[field], 0n)
  const path = (from: string): string => {
    const direction = directions.find((candidate) => candidate.from === from)
    if (!direction) return '-'
    return direction.reason === undefined
      ? direction.path
      : `${direction.path}: ${direction.reason}`
  }
  return [
    end(client),
    end(server),
    formatAge(ageMs),
    state,
    path('client'),
    path('server'),
    formatBytes(sum('redirectedBytes')),
    formatBytes(sum('tcpBytes')),
  ]
}

function end(found: FlowEndView | undefined): string {
  return found ? `${found.pod || '?'} ${found.address}` : '-'
}
