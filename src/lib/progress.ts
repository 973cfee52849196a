/** The progress of a long command: one line that is redrawn on a terminal, plain lines elsewhere. */

/** The stream that the lines go to: the standard error output, or a test's. */
export interface ProgressOutput {
  write(text: string): unknown
  readonly isTTY?: boolean
  /** The width of the terminal now. Some terminals do not know theirs, and say 0. */
  readonly columns?: number
}

/** The present state of a long command. */
export interface Step {
  /** The part that runs: `round 3, keepalive 81 B x 16, meshaccel`. */
  readonly what: string
  /** How much is done, from 0 to 1. */
  readonly share?: number
  /** How long the rest takes, from now on; by default what `share` suggests. */
  readonly leftMs?: number
  /** Whether `leftMs` is only a bound. */
  readonly atMost?: boolean
  /** The figures so far. */
  readonly figures?: string
}

export interface ProgressOptions {
  /** Begins each line: `bench: `. */
  readonly prefix?: string
  readonly everyMs?: number
  /** A clock in milliseconds. */
  readonly now?: () => number
}

const EVERY_MS = 1_000
const DEFAULT_COLUMNS = 80
const eraseLine = '\r\u001B[K'

/**
 * Tells how a long command goes, until it is disposed of. On a terminal it redraws one line, each second as well: the
 * time goes on. Elsewhere it writes no control characters, and one line for each step that is done.
 */
export class Progress implements Disposable {
  readonly isTerminal: boolean
  readonly #output: ProgressOutput
  readonly #prefix: string
  readonly #now: () => number
  readonly #begin: number
  #timer: NodeJS.Timeout | undefined
  #step: Step | undefined
  #stepAt = 0
  #isDrawn = false

  constructor(output: ProgressOutput, options: ProgressOptions = {}) {
    const { prefix = '', everyMs = EVERY_MS, now = () => performance.now() } = options
    this.#output = output
    this.#prefix = prefix
    this.#now = now
    this.#begin = now()
    this.isTerminal = output.isTTY === true
    // It must not keep a process alive that has nothing else to do.
    if (this.isTerminal) this.#timer = setInterval(() => this.#draw(), everyMs).unref()
  }

  /** Shows what runs now, on a terminal. A step may take time to make, so it is made only there. */
  show(make: () => Step): void {
    if (!this.isTerminal) return
    this.#step = make()
    this.#stepAt = this.#now()
    this.#draw()
  }

  /** Tells elsewhere that a step is done. A terminal shows the figures of the next step instead. */
  done(text: string): void {
    if (!this.isTerminal) this.say(text)
  }

  /** Writes a line that stays. */
  say(text: string): void {
    this.clear()
    this.#output.write(`${this.#prefix}${text}\n`)
    this.#draw()
  }

  /** Erases the line until the next step or second, so that something else can be written. */
  clear(): void {
    if (!this.#isDrawn) return
    this.#output.write(eraseLine)
    this.#isDrawn = false
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.clear()
    this.#step = undefined
  }

  #draw(): void {
    if (!this.#step || !this.#timer) return
    // A line that fills the last column would wrap on some terminals, and then it cannot be erased.
    const room = (this.#output.columns || DEFAULT_COLUMNS) - 1
    const now = this.#now()
    const line = this.#prefix + describeStep(this.#step, now - this.#begin, now - this.#stepAt)
    this.#output.write(eraseLine + line.slice(0, room))
    this.#isDrawn = true
  }
}

/** For example `round 3, 81 B x 16, 34 %, 1 min 20 s left: 1.42x`. The times are since the beginning and since the step's. */
export function describeStep(step: Step, sinceBeginMs: number, sinceStepMs: number): string {
  const { what, share, atMost, figures } = step
  const guess =
    share !== undefined && share > 0
      ? ((sinceBeginMs - sinceStepMs) * (1 - share)) / share
      : undefined
  const leftMs = step.leftMs ?? guess
  const time =
    leftMs === undefined
      ? `${spokenTime(sinceBeginMs)} so far`
      : `${atMost ? 'at most ' : ''}${spokenTime(Math.max(0, leftMs - sinceStepMs))} left`
  return [
    what,
    ...(share === undefined ? [] : [`, ${Math.round(share * 100)} %`]),
    `, ${time}`,
    ...(figures === undefined ? [] : [`: ${figures}`]),
  ].join('')
}

/** `42 s`, `3 min 5 s`, `2 h 10 min`. */
export function spokenTime(ms: number): string {
  const seconds = Math.round(ms / 1000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60)
    return seconds % 60 === 0 ? `${minutes} min` : `${minutes} min ${seconds % 60} s`
  const hours = Math.floor(minutes / 60)
  return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`
}
