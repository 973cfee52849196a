import type { CommandModule } from 'yargs'
import { ControlClient } from '../../api/client.ts'
import type { TraceEventView } from '../../api/views.ts'
import { MeshaccelError } from '../../lib/errors.ts'
import { environmentOf } from '../environment.ts'
import { durationMs, outputOption, socketOption } from '../options.ts'
import { plain } from '../output/plain-text.ts'
import { toJsonLine } from '../output/print.ts'
import { wordsOfTraffic } from '../output/words/reason.ts'
import { paint } from '../output/table.ts'
import { UsageError } from '../usage-error.ts'

interface Args {
  readonly socket: string
  readonly output: 'table' | 'json'
  readonly 'slow-read': string
}

const command: CommandModule<object, Args> = {
  command: 'trace',
  describe: 'Events as they happen: slow reads, fallbacks, refused sockets, quarantines, resets',
  builder: (yargs) =>
    yargs
      .usage(
        '$0 trace\n\n' +
          'Prints what happens to connections and readers of enrolled pods, until Ctrl-C. Slow ' +
          'reads, fallbacks and refused sockets are measured only while somebody traces. At most 100 events of a kind are printed in a second; the others are counted.',
      )
      .options({
        socket: socketOption,
        output: {
          ...outputOption,
          default: 'table' as const,
          describe: 'How to print; json: one object a line',
        },
        'slow-read': {
          type: 'string',
          default: '100ms',
          describe:
            'Report reads that come this long after their bytes: 20ms, 2s, or milliseconds; 0 reports none',
          requiresArg: true,
        },
      })
      .example('$0 trace --slow-read 20', 'who lets bytes wait for 20 ms or longer'),
  handler: async (args) => {
    const environment = environmentOf(args)
    const slowReadMs = durationMs('--slow-read', args['slow-read'], {
      minMs: 0,
      // uint32 on the wire.
      maxMs: 4_000_000_000,
      plainUnit: 'ms',
    })
    if (!Number.isInteger(slowReadMs)) {
      throw new UsageError('--slow-read must be a whole number of milliseconds')
    }
    using client = await ControlClient.connect(args.socket)
    const end = environment.endSignal()
    const heard = (): void => void environment.stderr.write('tracing; Ctrl-C ends it\n')
    const table = args.output === 'table'
    let first = true
    for await (const event of client.trace({ slowReadMs }, end, heard)) {
      if (table && first) environment.stdout.write(paint('bold', `${head}\n`, environment))
      first = false
      environment.stdout.write(table ? line(event) : toJsonLine(event))
    }
    if (end.aborted) return
    throw new MeshaccelError('it has ended', {
      code: 'AGENT_ENDED',
      operation: 'trace the agent',
      hint: 'Start it again, and trace again.',
    })
  },
}

export default command

/** Wide enough for what is usual; a longer field pushes the rest of its own line only. */
const widths = [12, 12, 26, 22, 44] as const

const columns = (...fields: readonly string[]): string =>
  fields.map((field, index) => field.padEnd(widths[index] ?? 0)).join(' ')

const head = columns('TIME', 'EVENT', 'POD', 'PROCESS', 'CONNECTION', 'WHAT')

function line(event: TraceEventView): string {
  const time = new Date(Number(event.timeMs)).toISOString().slice(11, 23)
  const fields = columns(
    time,
    event.kind,
    event.pod || '?',
    `${event.process}[${event.pid}]`,
    connection(event),
    what(event),
  ).trimEnd()
  return `${event.dropped > 0n ? `(${event.dropped} events left out: too many)\n` : ''}${plain(fields)}\n`
}

/** The pod's own address first, the arrow as the connection was opened. */
function connection({ local, remote, role, peer }: TraceEventView): string {
  if (local === undefined || remote === undefined) return '-'
  const arrow = role === 'client' ? '>' : '<'
  return `${local} ${arrow} ${remote}${peer === undefined ? '' : ` (${peer})`}`
}

function what({ kind, reason, durationUs, path }: TraceEventView): string {
  if (durationUs !== undefined) {
    return `${formatDuration(durationUs)} unread${path === 'redirect' ? ', redirected' : ', by TCP'}`
  }
  if (reason === undefined) return ''
  return kind === 'refused' || kind === 'fallback'
    ? `${reason}: ${wordsOfTraffic(reason).means}`
    : reason
}

/** `1.0 s`, `20 ms`. */
function formatDuration(us: bigint): string {
  const ms = Number(us) / 1000
  return ms < 1000 ? `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(1)} s`
}
