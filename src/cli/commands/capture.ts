import { once } from 'node:events'
import type { CommandModule } from 'yargs'
import { ControlClient } from '../../api/client.ts'
import { messageOf } from '../../lib/errno.ts'
import { formatDuration } from '../../lib/duration.ts'
import { isExplained, MeshaccelError } from '../../lib/errors.ts'
import { CaptureFile, OutputSink, type Sink } from '../capture/capture-file.ts'
import { HeldPod } from '../capture/held-pod.ts'
import { CaptureLine } from '../capture/progress.ts'
import { capture, type Captured } from '../capture/run.ts'
import { type CaptureStream, Pcap, Pcapng, PcapToPcapng } from '../capture/streams.ts'
import { type CaptureFormat, type CaptureTool, checkFilter, chooseTool } from '../capture/tools.ts'
import { environmentOf, type CliEnvironment } from '../environment.ts'
import { withHelp } from '../help.ts'
import { durationMs, socketOption, timeoutMsOf, timeoutOption } from '../options.ts'
import { requireRoot } from '../require-root.ts'
import { UsageError } from '../usage-error.ts'

interface Args {
  readonly pod: string
  readonly write: string | undefined
  readonly for: string | undefined
  readonly filter: string | undefined
  readonly snaplen: number | undefined
  readonly hold: boolean
  readonly timeout: string
  readonly socket: string
}

/** `kubectl exec` leaves a command running if it loses its connection. So a hold has an end. */
const HOLD_MS = 600_000

const command: CommandModule<object, Args> = {
  command: 'capture <pod>',
  describe: 'Lead a pod back to TCP, and capture its packets',
  builder: (yargs) =>
    withHelp(
      yargs
        .options({
          write: {
            alias: 'w',
            type: 'string',
            describe:
              'Write the packets to this file, as pcapng, or as pcap if it ends with .pcap; - is the standard output ' +
              '[default: print a line for each packet]',
            requiresArg: true,
          },
          for: {
            type: 'string',
            describe: 'How long: 30s, 5m [default: until Ctrl-C; with --hold 10m]',
            requiresArg: true,
          },
          filter: {
            type: 'string',
            describe: "Only these packets, in tcpdump's language: 'tcp port 8080'",
            requiresArg: true,
          },
          snaplen: {
            type: 'number',
            describe: 'Only this many bytes of each packet [default: all]',
            requiresArg: true,
          },
          hold: {
            type: 'boolean',
            default: false,
            describe: 'Capture nothing: only keep the pod on TCP, for a capture by other means',
          },
          timeout: timeoutOption,
          socket: socketOption,
        })
        .positional('pod', { type: 'string', demandOption: true, describe: 'NAMESPACE/NAME' }),
      {
        usage: 'capture NAMESPACE/NAME',
        about:
          'Accelerated bytes are no packets, so tcpdump does not see them. This command moves the connections of one pod ' +
          'back to TCP without loss, and waits until all have left. Then it runs the installed tcpdump, or dumpcap, in ' +
          "the pod's network. Once the command ends, for whatever reason, the pod is again as its annotations say.",
        examples: [
          ["capture shop/cart-0 --filter 'tcp port 8080'", 'prints packets until Ctrl-C'],
          ['capture shop/cart-0 -w cart.pcapng --for 30s', 'a file for Wireshark'],
          ['capture shop/cart-0 --hold', 'for a debug container with tools of its own'],
        ],
        exit: '0 captured until the end, 1 it failed or ended early, 2 invalid command line',
      },
    ),
  handler: async (args) => {
    const environment = environmentOf(args)
    const timeoutMs = timeoutMsOf(args)
    const plan = planOf(args, environment)
    requireRoot(environment, 'capture packets')
    const end = environment.endSignal()
    const { stderr } = environment
    using client = await ControlClient.connect(args.socket)
    const sink = plan && sinkFor(args.write, environment)
    const say = (text: string): void => void stderr.write(`${text}\n`)
    try {
      await using held = await HeldPod.take(client, { pod: args.pod, end, timeoutMs, say })
      if (!held) throw endedBefore(args.pod)
      if (plan && sink) {
        await captureFrom(held, { ...plan, sink, end, args }, environment)
      } else {
        const forMs = forMsOf(args) ?? HOLD_MS
        say(`${args.pod} is on TCP for ${formatDuration(forMs)}; Ctrl-C ends it`)
        await untilOver(end, held.lost, forMs)
      }
      const isBack = await held.giveBack()
      say(
        isBack
          ? `${args.pod} is again as its annotations say`
          : `another command still holds ${args.pod} on TCP`,
      )
    } catch (error) {
      const kept = sink?.abandon()
      if (kept !== undefined) say(`the packets until then are in ${kept}`)
      throw error
    }
  },
}

export default command

interface Plan {
  readonly tool: CaptureTool
  readonly format: CaptureFormat
  readonly forMs: number | undefined
}

/** Checks the command line. Undefined if there is nothing to capture. */
function planOf(args: Args, { env }: CliEnvironment): Plan | undefined {
  const { write, filter, snaplen, hold } = args
  const forMs = forMsOf(args)
  if (!/^[^/]+\/[^/]+$/.test(args.pod)) {
    throw new UsageError(`the pod must be NAMESPACE/NAME, not ${args.pod}`)
  }
  if (snaplen !== undefined && !(Number.isInteger(snaplen) && snaplen > 0 && snaplen <= 262_144)) {
    throw new UsageError('--snaplen must be a whole number of bytes from 1 to 262144')
  }
  if (hold) {
    if (write === undefined && filter === undefined && snaplen === undefined) return undefined
    throw new UsageError('--hold captures nothing, so it takes no --write, --filter or --snaplen')
  }
  const format = write === undefined ? 'text' : write.endsWith('.pcap') ? 'pcap' : 'pcapng'
  const tool = chooseTool({ format, filter, snaplen, live: write === '-' }, env['PATH'])
  checkFilter(tool, filter)
  return { tool, format, forMs }
}

function forMsOf(args: Args): number | undefined {
  if (args.for === undefined) return undefined
  return durationMs('--for', args.for, { minMs: 100, maxMs: 86_400_000 })
}

function sinkFor(write: string | undefined, { stdout }: CliEnvironment): Sink {
  if (write !== undefined && write !== '-') return new CaptureFile(write)
  if (write === '-' && stdout.isTTY) {
    throw new UsageError('-w - writes packets to the standard output, which is a terminal')
  }
  return new OutputSink(stdout)
}

interface Capture extends Plan {
  readonly sink: Sink
  readonly end: AbortSignal
  readonly args: Args
}

async function captureFrom(
  { place, lost }: HeldPod,
  { tool, format, forMs, sink, end, args }: Capture,
  environment: CliEnvironment,
): Promise<void> {
  const stop = new AbortController()
  const give = (): void => {
    if (stop.signal.aborted) return
    progress.say('ending, once the last packets are here')
    stop.abort()
  }
  using progress = new CaptureLine(environment, {
    begins: `${args.pod} is on TCP; ${tool.name} captures${forMs === undefined ? '' : ` for ${args.for}`}; Ctrl-C ends it`,
    counts: args.write !== undefined,
  })
  for (const signal of [end, lost]) signal.addEventListener('abort', give, { once: true })
  if (end.aborted || lost.aborted) give()
  const stream = streamFor(tool.format, format, args.pod)
  const onProgress = progress.show
  const captured = await capture({
    tool,
    place,
    stream,
    sink,
    stop: stop.signal,
    forMs,
    onProgress,
  })
  sink.complete()
  progress[Symbol.dispose]()
  environment.stderr.write(summary(captured, args.write))
  if (lost.aborted) throw endedEarly(lost.reason)
}

/** Turns the tool's output into the wanted format. */
function streamFor(from: CaptureFormat, to: CaptureFormat, pod: string): CaptureStream | undefined {
  if (from === 'text') return undefined
  if (from === 'pcapng') return new Pcapng()
  if (to === 'pcap') return new Pcap()
  const comment = `All packets of pod ${pod}: meshaccel held its connections on TCP.`
  return new PcapToPcapng({ comment, interfaceName: 'any' })
}

function summary({ packets, dropped, isCut }: Captured, write: string | undefined): string {
  const lines = []
  if (write !== undefined) {
    lines.push(`${packets} packets${write === '-' ? '' : ` in ${write}`}`)
  }
  if (dropped > 0 || isCut) {
    const missing = dropped > 0 ? `${dropped} packets are missing` : 'the last packets are missing'
    lines.push(
      `${missing}, because they came faster than they could be written: use --filter or --snaplen`,
    )
  }
  return lines.map((line) => `${line}\n`).join('')
}

/** Waits until the user or the agent ends it, or until the time is over. */
async function untilOver(end: AbortSignal, lost: AbortSignal, forMs: number): Promise<void> {
  const over = new AbortController()
  const timer = setTimeout(() => over.abort(), forMs)
  const give = (): void => over.abort()
  for (const signal of [end, lost]) signal.addEventListener('abort', give)
  if (!end.aborted && !lost.aborted) await once(over.signal, 'abort')
  clearTimeout(timer)
  if (lost.aborted) throw lost.reason
}

function endedBefore(pod: string): MeshaccelError {
  return new MeshaccelError('ended before the capture began; the pod is as before', {
    code: 'ENDED',
    operation: `capture ${pod}`,
  })
}

function endedEarly(cause: unknown): MeshaccelError {
  return new MeshaccelError(`it ended early: ${messageOf(cause)}`, {
    code: 'ENDED_EARLY',
    operation: 'capture packets',
    hint: isExplained(cause) ? cause.hint : undefined,
    cause,
  })
}
