import type { CommandModule } from 'yargs'
import { ControlClient } from '../api/client.ts'
import type { AgentState, StatusView } from '../api/views.ts'
import { environmentOf, type CliEnvironment } from './environment.ts'
import { outputOption, socketOption } from './options.ts'
import { formatBytes, print } from './print.ts'
import { paint } from './table.ts'

const command: CommandModule<object, { socket: string; output: 'table' | 'json' }> = {
  command: 'status',
  describe: 'Whether it accelerates, and how much; exit 0 accelerating, 1 not',
  builder: { socket: socketOption, output: outputOption },
  handler: async (args) => {
    const environment = environmentOf(args)
    using client = await ControlClient.connect(args.socket)
    const status = await client.call('Status', {})
    // The wire puts maps first; people read the state first.
    const { reasons, ...rest } = status
    print(environment, args.output, { ...rest, reasons }, () => describe(status, environment))
    if (status.state !== 'accelerating') environment.exitCode = 1
  },
}

export default command

const colours: Readonly<Record<AgentState, 'green' | 'yellow' | 'red'>> = {
  accelerating: 'green',
  disabled: 'yellow',
  draining: 'yellow',
  refused: 'red',
}

function describe(status: StatusView, environment: CliEnvironment): string {
  const { pods, connections, totals } = status
  const lines: (readonly [string, string])[] = [
    ['state', paint(colours[status.state], status.state, environment)],
    ['policy', status.policy],
  ]
  if (status.refusedBecause !== undefined) lines.push(['because', status.refusedBecause])
  lines.push(
    ['kernel', status.kernel],
    ['version', status.version],
    ['pods', `${pods.enrolled} enrolled of ${pods.seen} seen`],
    [
      'connections',
      `${connections.now} now: ${connections.engaged} engaged, ${connections.plain} plain, ${connections.mixed} mixed`,
    ],
    ['', `${connections.watched} watched, ${connections.joined} joined`],
    [
      'redirected',
      `${formatBytes(totals.redirectedBytes)} in ${totals.redirectedMessages} messages`,
    ],
    ['by TCP', `${formatBytes(totals.tcpBytes)}, ${totals.tcpMessages} messages of members`],
  )
  if (status.podsFileError !== undefined) {
    lines.push(['pods file', paint('red', status.podsFileError, environment)])
  }
  return lines.map(([name, value]) => `${name.padEnd(12)}${value}\n`).join('')
}
