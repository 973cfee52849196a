import type { HeldPodView } from '../../api/views.ts'
import { MeshaccelError } from '../../lib/errors.ts'
import type { Sink } from './capture-file.ts'
import { errorOfExit, Inside } from './inside.ts'
import type { CaptureStream } from './streams.ts'
import type { CaptureTool } from './tools.ts'

export interface CaptureRun {
  readonly tool: CaptureTool
  readonly place: HeldPodView
  /** Absent: the tool's output passes as it is. */
  readonly stream: CaptureStream | undefined
  readonly sink: Sink
  /** Ends the capture in order. */
  readonly stop: AbortSignal
  /** How long to capture, from the first moment at which the tool listens; absent: until the signal. */
  readonly forMs: number | undefined
  /** Called once the tool listens, and whenever packets arrive. */
  readonly onProgress: (progress: CaptureProgress) => void
}

export interface CaptureProgress {
  readonly packets: number
  readonly bytes: number
}

export interface Captured extends CaptureProgress {
  /** Packets that the tool was too slow for. */
  readonly dropped: number
  /** Whether it was so far behind at the end that its last packets are missing, too. */
  readonly isCut: boolean
}

/**
 * The kernel passes packets on in blocks, after a second at the latest. A tool that ends forgets the blocks that it has not
 * got yet. So it ends later than it is asked to.
 */
const BLOCK_MS = 1_000
const SLACK_MS = 500

/** Both tools say so on their standard error output. */
const LISTENS = /listening on|^Capturing on/m
const DROPPED =
  /(\d+) packets? dropped by kernel|received\/dropped on interface '[^']*': \d+\/(\d+)/
/** tcpdump was asked to end while its pipe was full. It may say so, or leave out the end of a record in silence. */
const CUT = /Interrupted system call/

/**
 * Captures until the time is over or the signal aborts. Everything that the tool wrote is then in the sink. Throws the
 * sink's errors, and CAPTURE_FAILED with the tool's own words.
 */
export async function capture(run: CaptureRun): Promise<Captured> {
  const { tool, place, stream, sink, stop, forMs, onProgress } = run
  const inside = new Inside(place, tool.command)
  const timers: NodeJS.Timeout[] = []
  const endAfter = (ms: number): void => void timers.push(setTimeout(() => inside.end(), ms))
  const end = (): void => endAfter(BLOCK_MS + SLACK_MS)
  stop.addEventListener('abort', end)
  if (stop.aborted) end()
  let listens = false
  let said = ''
  let bytes = 0
  let failure: unknown
  let isCut = false
  const progress = (): CaptureProgress => ({ packets: stream?.packets ?? 0, bytes })
  inside.process.stderr?.on('data', (text: Buffer) => {
    said += text.toString()
    if (listens || !LISTENS.test(said)) return
    listens = true
    if (forMs !== undefined) endAfter(forMs + BLOCK_MS + SLACK_MS)
    onProgress(progress())
  })
  inside.process.stdout?.on('data', (chunk: Buffer) => {
    if (failure !== undefined) return
    try {
      const records = stream ? stream.push(chunk) : chunk
      sink.write(records)
      bytes += records.length
      onProgress(progress())
    } catch (error) {
      failure = error
      inside.end()
    }
  })
  try {
    const code = await inside.exited
    const operation = `run ${tool.name} in the pod's network`
    if (failure !== undefined) throw failure
    const own = errorOfExit(operation, code)
    if (own) throw own
    const hasHalf = (stream?.left ?? 0) > 0
    isCut = inside.isEnding && (CUT.test(said) || hasHalf)
    if (!isCut && (code !== 0 || hasHalf)) throw toolFailed(operation, code, said)
  } finally {
    for (const timer of timers) clearTimeout(timer)
    stop.removeEventListener('abort', end)
  }
  const [, ...counts] = DROPPED.exec(said) ?? []
  return { ...progress(), dropped: Number(counts.find((count) => count !== undefined) ?? 0), isCut }
}

function toolFailed(operation: string, code: number, said: string): MeshaccelError {
  const last = said.trim().split('\n').slice(-3).join('; ')
  return new MeshaccelError(last || `exit code ${code}`, {
    code: 'CAPTURE_FAILED',
    operation,
    hint: /permission|not permitted/i.test(said)
      ? 'It needs CAP_NET_RAW. Run the command as root of the node: docs/CAPTURE.md.'
      : undefined,
  })
}
