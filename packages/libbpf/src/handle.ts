import { closeSync } from 'node:fs'
import { LibbpfError } from './base-error.ts'

/**
 * Owns one resource outside of JavaScript. Disposing gives it back, a second time does nothing; using it afterwards
 * throws a LibbpfError with code `DISPOSED`.
 */
export abstract class Handle implements Disposable {
  #disposed = false

  /** Names the resource in messages: `map pods`. */
  readonly what: string

  constructor(what: string) {
    this.what = what
  }

  /** Whether it has been given back. */
  get disposed(): boolean {
    return this.#disposed
  }

  /** Throws when disposed; `operation` is what was about to be done. */
  assertLive(operation: string = `use ${this.what}`): void {
    if (this.#disposed) {
      throw new LibbpfError('it has been disposed', {
        code: 'DISPOSED',
        operation,
        hint: 'Keep the handle in a scope that lasts as long as its use.',
      })
    }
  }

  /** Marks the handle as disposed without giving anything back: somebody else has taken the resource over. */
  protected abandon(): void {
    this.#disposed = true
  }

  /** Gives the resource back; called once. */
  protected abstract release(): void

  [Symbol.dispose](): void {
    if (this.#disposed) return
    this.#disposed = true
    this.release()
  }
}

/** A file descriptor: its own, or one lent by another handle and valid as long as that one. */
export class Fd extends Handle {
  readonly #number: number
  readonly #lender: Handle | undefined

  constructor(number: number, what: string, lender?: Handle) {
    super(what)
    this.#number = number
    this.#lender = lender
  }

  /** The number, valid as long as this handle. Throws `DISPOSED`. */
  get number(): number {
    this.assertLive()
    this.#lender?.assertLive(`use ${this.what}`)
    return this.#number
  }

  protected override release(): void {
    if (this.#lender === undefined) closeSync(this.#number)
  }
}
