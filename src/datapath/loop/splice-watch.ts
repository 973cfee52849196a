import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Log } from '../../lib/log.ts'
import { Link } from 'libbpf'
import { attachIoctlCall, attachSpliceCall } from '../pins/attachments.ts'
import type { Programs } from '../pins/programs.ts'
import { readConfig, setConfig } from './scans.ts'

/** The tracepoint stays attached this long after its last use, because attach and detach take milliseconds. */
const REST_MS = 2_000

/**
 * The splice watch, and the FIONREAD watch where the kernel's answer is wrong (bpf/observe/fionread.bpf.c). If the kernel
 * has kprobes, kprobes stay attached for good. Otherwise each watch is a tracepoint, which sends every system call of the
 * node through the slow path: some 40 ns each. So tracepoints are attached only while there are members, or ends that are
 * about to join. A reader that turns to splice unseen would wait for redirected bytes without end.
 *
 * The verdict lets no direction become mixed below the hard cap unless `splice_watched` is set. Before a tracepoint is
 * detached, the flag is cleared. Then a whole scan must find that no connection needs the tracepoint. A verdict that has
 * just read the flag is over by then.
 */
export class SpliceWatch implements Disposable {
  readonly #programs: Programs
  readonly #log: Log
  readonly #now: () => number
  /** The tracepoints that take the place of kprobes. */
  readonly #calls: readonly Call[]
  readonly #links = new Map<Call, Link>()
  #neededAt: number
  #isEnding = false
  #hasFailed = false

  constructor(programs: Programs, log: Log, now: () => number = () => performance.now()) {
    this.#programs = programs
    this.#log = log
    this.#now = now
    this.#neededAt = now()
    this.#calls = callsFor(programs)
    for (const call of this.#calls) {
      if (existsSync(call.pin)) this.#links.set(call, Link.fromPin(call.pin))
    }
    this.#tell()
  }

  /** Attaches it unless it is attached. Logs a failure once; the next call tries again. */
  need(): void {
    this.#neededAt = this.#now()
    if (this.#isEnding) {
      this.#isEnding = false
      this.#tell()
    }
    if (this.#isAttached()) return
    try {
      for (const call of this.#calls) {
        if (this.#links.has(call)) continue
        const link = call.attach()
        link.pin(call.pin)
        this.#links.set(call, link)
      }
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
    if (this.#links.size === 0 || this.#now() - this.#neededAt < REST_MS) return
    if (!this.#isEnding) {
      this.#isEnding = true
      this.#tell()
      return
    }
    this.#isEnding = false
    for (const [call, link] of this.#links) {
      link.unpin(call.pin)
      link[Symbol.dispose]()
    }
    this.#links.clear()
  }

  /** Closes the links without the two steps. */
  [Symbol.dispose](): void {
    for (const link of this.#links.values()) link[Symbol.dispose]()
  }

  #isAttached(): boolean {
    return this.#links.size === this.#calls.length
  }

  #tell(): void {
    const watched = this.#isAttached() && !this.#isEnding ? 1 : 0
    if (readConfig(this.#programs).spliceWatched !== watched) {
      setConfig(this.#programs, { spliceWatched: watched })
    }
  }
}

/** A tracepoint at one system call. */
interface Call {
  readonly pin: string
  readonly attach: () => Link
}

/** One tracepoint for each habit that no kprobe watches. */
function callsFor(programs: Programs): Call[] {
  const pin = (name: string): string => join(programs.directory, name)
  const { fionreadHides } = readConfig(programs)
  const calls: Call[] = []
  if (!existsSync(pin('splice'))) {
    const attach = (): Link => attachSpliceCall(programs.spliceProgram)
    calls.push({ pin: pin('splice_call'), attach })
  }
  if (fionreadHides !== 0 && !existsSync(pin('fionread'))) {
    const attach = (): Link => attachIoctlCall(programs.ioctlProgram)
    calls.push({ pin: pin('ioctl_call'), attach })
  }
  return calls
}
