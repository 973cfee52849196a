import { MeshaccelError } from '../lib/errors.ts'

/** A number of jobs that run at once, and a bounded queue of others. */
export class Slots {
  readonly #free: number[]
  readonly #waitLimit: number
  readonly #waiting: ((slot: number) => void)[] = []

  constructor(count: number, waitLimit: number) {
    this.#free = Array.from({ length: count }, (_, slot) => slot)
    this.#waitLimit = waitLimit
  }

  get waiting(): number {
    return this.#waiting.length
  }

  /** Runs a job as soon as there is a slot, which has a number. Throws BUSY if too many wait already. */
  async run<Result>(job: (slot: number) => Promise<Result>): Promise<Result> {
    const slot = this.#free.pop() ?? (await this.#wait())
    try {
      return await job(slot)
    } finally {
      const next = this.#waiting.shift()
      if (next) next(slot)
      else this.#free.push(slot)
    }
  }

  #wait(): Promise<number> {
    if (this.#waiting.length >= this.#waitLimit) {
      throw new MeshaccelError(`${this.#waiting.length} requests wait already`, {
        code: 'BUSY',
        operation: 'compile',
        hint: 'Try again in a few seconds.',
        retryable: true,
      })
    }
    return new Promise((resolve) => this.#waiting.push(resolve))
  }
}
