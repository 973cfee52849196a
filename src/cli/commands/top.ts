import type { CommandModule } from 'yargs'
import { messageOf } from '../../lib/errno.ts'
import { environmentOf, type CliEnvironment } from '../environment.ts'
import { withHelp } from '../help.ts'
import { Keys } from '../keys.ts'
import { outputOption, socketOption } from '../options.ts'
import { toJsonLine } from '../output/print.ts'
import { RateSamples, type Sample } from '../output/rate-samples.ts'
import type { Rate } from '../output/rates.ts'
import { Screen } from '../output/screen.ts'
import {
  chosen,
  keysHelp,
  orders,
  sortedFlows,
  sortedPods,
  topLines,
  type Choice,
} from '../output/top-frame.ts'
import { UsageError } from '../usage-error.ts'
import { elapsed, intervalMs } from '../output/show.ts'

interface Args {
  readonly socket: string
  readonly output: 'table' | 'json'
  readonly flows: boolean
  readonly sort: Choice['order']
  readonly interval: string
  readonly once: boolean
}

const command: CommandModule<object, Args> = {
  command: 'top',
  describe: 'Live table of the rates of pods or connections, and of their fast share',
  builder: (yargs) =>
    withHelp(
      yargs.options({
        socket: socketOption,
        output: outputOption,
        flows: { alias: 'f', type: 'boolean', default: false, describe: 'Begin with connections' },
        sort: { choices: orders, default: 'rate' as const, describe: 'By what', requiresArg: true },
        interval: {
          alias: 'd',
          type: 'string',
          default: '2s',
          describe: 'Time between two updates: 500ms, 2s, 1m, or seconds',
          requiresArg: true,
        },
        once: {
          type: 'boolean',
          default: false,
          describe: 'Print the rates of one interval and end',
        },
      }),
      {
        usage: 'top',
        about:
          'Shows the rates of pods or connections, the highest first, and redraws them. Keys: q quits, p shows pods, f ' +
          'connections (flows), s sorts by something else. Where very many connections keep the agent busy, it looks less ' +
          'often.',
        examples: [
          ['top', 'pods, until q'],
          ['top --flows --sort tcp', 'the connections that move most by TCP'],
          ['top --once', 'one table, also into a file'],
          ['top -o json', 'a line of JSON for each interval'],
        ],
      },
    ),
  handler: async (args) => {
    const environment = environmentOf(args)
    const everyMs = intervalMs('--interval', args.interval)
    const live = args.output === 'table' && !args.once
    if (live && environment.stdout.isTTY !== true) {
      throw new UsageError(
        'top redraws a terminal, and the standard output is none: `top --once` prints one table, `top -o json` goes on',
      )
    }
    using looks = new RateSamples(args.socket, everyMs)
    const first = await looks.take()
    if (live) await redraw(looks, first, args, environment)
    else await printRates(looks, args, environment)
  },
}

export default command

/** On the terminal, until a key or a signal ends it. */
async function redraw(
  looks: RateSamples,
  first: Sample,
  args: Args,
  environment: CliEnvironment,
): Promise<void> {
  const { stdin, stdout, endSignal } = environment
  const quit = new AbortController()
  const end = AbortSignal.any([endSignal(), quit.signal])
  let choice: Choice = { view: args.flows ? 'flows' : 'pods', order: args.sort }
  let sample = first
  let trouble = ''
  using screen = new Screen(stdout)
  const draw = (): void => {
    const lines = topLines(sample, choice, environment, screen.rows - 1)
    const filled = Array.from({ length: screen.rows - 1 }, (_, row) => lines[row] ?? '')
    screen.draw([...filled, trouble || keysHelp])
  }
  using keys = new Keys(stdin, (key) => {
    const next = chosen(choice, key)
    if (next === undefined) {
      quit.abort()
    } else if (next !== choice) {
      choice = next
      draw()
    }
  })
  // An agent that hangs holds nobody.
  const ended = new Promise<undefined>((resolve) => {
    end.addEventListener('abort', () => resolve(undefined))
  })
  keys.listen()
  stdout.on?.('resize', draw)
  draw()
  while (await elapsed(looks.pauseMs, end)) {
    try {
      sample = (await Promise.race([looks.take(), ended])) ?? sample
      trouble = ''
    } catch (error) {
      trouble = messageOf(error)
    }
    draw()
  }
  stdout.off?.('resize', draw)
}

/** One text after the other, or only one. */
async function printRates(
  looks: RateSamples,
  args: Args,
  environment: CliEnvironment,
): Promise<void> {
  const choice: Choice = { view: args.flows ? 'flows' : 'pods', order: args.sort }
  const end = environment.endSignal()
  while (await elapsed(looks.pauseMs, end)) {
    const sample = await looks.take()
    environment.stdout.write(
      args.output === 'json'
        ? toJsonLine(document(sample, choice))
        : topLines(sample, choice, environment)
            .map((line) => `${line}\n`)
            .join(''),
    )
    if (args.once) return
  }
}

function document(sample: Sample, choice: Choice): object {
  const { state, connections } = sample.status
  const rows =
    choice.view === 'pods'
      ? {
          pods: sortedPods(sample, choice).map(({ redirected, tcp, ...pod }) => ({
            ...pod,
            ...rates({ redirected, tcp }),
          })),
        }
      : {
          flows: sortedFlows(sample, choice).map(({ flow, ...rate }) => ({
            identity: flow.identity,
            client: flow.client,
            server: flow.server,
            ...rates(rate),
          })),
        }
  return { state, intervalMs: sample.sinceMs, connections, ...rates(sample.node), ...rows }
}

const rates = ({ redirected, tcp }: Rate): object => ({
  redirectedBytesPerSecond: redirected,
  tcpBytesPerSecond: tcp,
})
