import { WrongContent } from './payload.ts'

/** What a client has seen. */
export interface RoundsReport {
  readonly event: string
  /** Rounds with the right content. */
  readonly rounds: number
  /** Those of the connection that has come least far. */
  readonly slowest: number
  /** Answers that came in full, with another content than they should have. */
  readonly wrong: number
  /** Everything else that went wrong: a reset, an early end, a status; the connection was opened anew. */
  readonly failed: number
  /** The first failure, or empty. */
  readonly error: string
}

/** A live connection: makes one exchange, throwing when anything about the answer is wrong. */
export interface Exchange {
  round(count: number): Promise<void>
  close(): void
}

/**
 * Keeps the connections busy and tells on standard output: `ready` when each has made its first round, `progress` at
 * SIGUSR1, and `end` after the rounds that were under way at SIGTERM. Each is opened anew after `lifetime` rounds, if
 * that is given.
 */
export async function runRounds(
  { connections, lifetime = Infinity }: { connections: number; lifetime?: number | undefined },
  open: (index: number) => Promise<Exchange>,
): Promise<void> {
  const done = Array.from({ length: connections }, () => 0)
  const failures = { wrong: 0, failed: 0, error: '' }
  const over = new AbortController()
  let waiting = connections
  const say = (event: string): void => {
    const rounds = done.reduce((sum, count) => sum + count, 0)
    const report: RoundsReport = { event, rounds, slowest: Math.min(...done), ...failures }
    process.stdout.write(`${JSON.stringify(report)}\n`)
  }
  const note = (index: number, error: unknown): void => {
    if (error instanceof WrongContent) failures.wrong++
    else failures.failed++
    failures.error ||= `connection ${index}, round ${done[index]}: ${String(error)}`
  }
  const keepBusy = async (index: number): Promise<void> => {
    while (!over.signal.aborted) {
      let exchange: Exchange | undefined
      try {
        exchange = await open(index)
        for (let round = 0; round < lifetime && !over.signal.aborted; round++) {
          await exchange.round(done[index] ?? 0)
          const count = (done[index] ?? 0) + 1
          done[index] = count
          if (count === 1 && --waiting === 0) say('ready')
        }
      } catch (error) {
        note(index, error)
        await new Promise((resolve) => setTimeout(resolve, 10))
      } finally {
        exchange?.close()
      }
    }
  }
  process.on('SIGUSR1', () => say('progress'))
  process.on('SIGTERM', () => over.abort())
  await Promise.all(done.map((_, index) => keepBusy(index)))
  say('end')
  process.exit()
}
