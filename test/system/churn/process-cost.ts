import { readFileSync } from 'node:fs'
import { readProcessStat } from '../../../src/lib/proc.ts'

/** USER_HZ: /proc counts in hundredths of a second on every Linux that Node runs on. */
const tickMs = 10

/** The cost of a process with all its threads, and of its work in the kernel. */
export class ProcessCost {
  readonly #pid: number
  #since = { ms: 0, cpuMs: 0 }
  #highestRss = 0
  #sampling: NodeJS.Timeout | undefined

  constructor(pid: number) {
    this.#pid = pid
    this.begin()
  }

  /** Begins a phase. */
  begin(): void {
    this.end()
    this.#since = { ms: performance.now(), cpuMs: this.#cpuMs() }
    this.#highestRss = this.#rssMiB()
    this.#sampling = setInterval(() => {
      this.#highestRss = Math.max(this.#highestRss, this.#rssMiB())
    }, 200)
  }

  /** Ends the phase. CPU in per cent of one core. */
  end(): { readonly cpuPercent: number; readonly highestRssMiB: number } {
    clearInterval(this.#sampling)
    const ms = performance.now() - this.#since.ms
    return {
      cpuPercent: ((this.#cpuMs() - this.#since.cpuMs) / ms) * 100,
      highestRssMiB: Math.max(this.#highestRss, this.#rssMiB()),
    }
  }

  /** Its peak memory. */
  peakRssMiB(): number {
    return this.#status('VmHWM')
  }

  #rssMiB(): number {
    return this.#status('VmRSS')
  }

  #status(name: string): number {
    const text = readFileSync(`/proc/${this.#pid}/status`, 'utf8')
    return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) / 1024
  }

  #cpuMs(): number {
    return (readProcessStat(this.#pid)?.cpuTicks ?? NaN) * tickMs
  }
}
