import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Log } from '../../lib/log.ts'
import { Link } from 'libbpf'
import { attachSpliceCall } from '../pins/attachments.ts'
import type { Programs } from '../pins/programs.ts'
import { readConfig, setConfig } from './scans.ts'

/** The tracepoint stays attached this long after its last use, because attach and detach take milliseconds. */
const REST_MS = 2_000

/**
 * The splice watch. If the kernel has kprobes, a kprobe stays attached for good. Otherwise it is a tracepoint, which
 * sends every system call of the node through the slow path: some 40 ns each. So the tracepoint is attached only while
 * there are members, or ends that are about to join. A reader that turns to splice unseen would wait for redirected
 * bytes without end.
 *
 * The verdict lets no direction become mixed below the hard cap unless `splice_watched` is set. Before the tracepoint
 * is detached, the flag is cleared. Then a whole scan must find that no connection needs the tracepoint. A verdict that
 * has just read the flag is over by then.
 */
export class SpliceWatch implements Disposable {
  readonly #programs: Programs
  readonly #log: Log
  readonly #now: () => number
  readonly #pin: string
  readonly #isPermanent: boolean
  #link: Link | undefined
  #neededAt: number
  #isEnding = false
  #hasFailed = false

  constructor(programs: Programs, log: Log, now: () => number = () => performance.now()) {
    this.#programs = programs
    this.#log = log
    this.#now = now
    this.#neededAt = now()
    this.#pin = join(programs.directory, 'splice_call')
    this.#isPermanent = existsSync(join(programs.directory, 'splice'))
    if (existsSync(this.#pin)) this.#link = Link.fromPin(this.#pin)
    this.#tell()
  }

  /** Attaches it unless it is attached. Logs a failure once; the next call tries again. */
  need(): void {
    this.#neededAt = this.#now()
    if (this.#isPermanent) return
    if (this.#isEnding) {
      this.#isEnding = false
      this.#tell()
    }
    if (this.#link) return
    try {
      const link = attachSpliceCall(this.#programs.spliceProgram)
      link.pin(this.#pin)
      this.#link = link
      this.#hasFailed = false
    } catch (error) {
      if (!this.#hasFailed) this.#log.error({ err: error }, 'cannot attach the splice watch')
      this.#hasFailed = true
    }
    this.#tell()
  }

  /**
   * Call this after a scan that did not need the watch. Detaches it in two steps, after it has been unused for a while.
   */
  rest(): void {
    if (!this.#link || this.#now() - this.#neededAt < REST_MS) return
    if (!this.#isEnding) {
      this.#isEnding = true
      this.#tell()
      return
    }
    this.#isEnding = false
    this.#link.unpin(this.#pin)
    this.#link[Symbol.dispose]()
    this.#link = undefined
  }

  /** Closes the link without the two steps. */
  [Symbol.dispose](): void {
    this.#link?.[Symbol.dispose]()
  }

  #tell(): void {
    const watched = this.#isPermanent || (this.#link !== undefined && !this.#isEnding) ? 1 : 0
    if (readConfig(this.#programs).spliceWatched !== watched) {
      setConfig(this.#programs, { spliceWatched: watched })
    }
  }
}
