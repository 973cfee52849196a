import { WrongContent } from './payload.ts'

/** A client's report. */
export interface RoundsReport {
  readonly event: string
  /** Rounds with the right content. */
  readonly rounds: number
  /** The rounds of the slowest connection. */
  readonly slowest: number
  /** Complete answers with the wrong content. */
  readonly wrong: number
  /** All other failures: a reset, an early end, a status. The connection was opened again. */
  readonly failed: number
  /** The first failure, or empty. */
  readonly error: string
}

/** A live connection. Makes one exchange; throws if anything about the answer is wrong. */
export interface Exchange {
  round(count: number): Promise<void>
  close(): void
}

/**
 * Keeps the connections busy and reports on standard output: `ready` after each one's first round, `progress` at
 * SIGUSR1, and `end` after the last rounds at SIGTERM. If `lifetime` is given, each connection is replaced after that
 * many rounds.
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
