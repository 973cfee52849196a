import type { AdviceCostView } from '../../api/views/advice.ts'

/** Counts the cost of looks. */
export class LookCost {
  readonly #cpuUs: () => number
  readonly #now: () => number
  #looks = 0
  #spentUs = 0
  #slowestMs = 0

  constructor(cpuUs: () => number, now: () => number) {
    this.#cpuUs = cpuUs
    this.#now = now
  }

  /**
   * `end` returns how long the look took, in ms. `walkMs` is the part in which another process walked over sockets: it
   * counts as that process's time, which is hardly more than it used.
   */
  begin(): { end: (walkMs: number) => number } {
    const [cpu, from] = [this.#cpuUs(), this.#now()]
    return {
      end: (walkMs) => {
        const tookMs = this.#now() - from
        this.#looks += 1
        this.#spentUs += this.#cpuUs() - cpu + walkMs * 1000
        this.#slowestMs = Math.max(this.#slowestMs, tookMs)
        return tookMs
      },
    }
  }

  view(pauseMs: number, uncounted: number): AdviceCostView {
    return {
      looks: this.#looks,
      cpuUs: BigInt(Math.round(this.#spentUs)),
      slowestLookUs: BigInt(Math.round(this.#slowestMs * 1000)),
      pauseMs: Math.round(pauseMs),
      uncounted,
    }
  }
}

/** The agent's processor time so far, in microseconds. */
export function agentCpuUs(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}
