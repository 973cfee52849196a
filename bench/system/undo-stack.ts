import { Disposables } from '../../src/lib/disposables.ts'

/**
 * The undo steps of a run, run in reverse. They are synchronous, so that they also work in an `exit` handler. A second
 * Ctrl-C or an uncaught error leaves as little behind as an orderly end.
 */
export class UndoStack implements Disposable {
  readonly #steps = new Disposables()
  readonly #complain: (message: string) => void
  readonly #onExit = (): void => this[Symbol.dispose]()

  constructor(complain: (message: string) => void) {
    this.#complain = complain
    process.on('exit', this.#onExit)
  }

  /** Registers a step, preferably before the resource exists. A step must tolerate that there is nothing to undo. */
  defer(what: string, undo: () => void): void {
    this.#steps.defer(() => {
      try {
        undo()
      } catch (error) {
        this.#complain(`could not ${what}: ${String(error)}`)
      }
    })
  }

  /** A stack that is undone with this one, or before. */
  nested(): UndoStack {
    const inner = new UndoStack(this.#complain)
    this.defer('end a part of the run', () => inner[Symbol.dispose]())
    return inner
  }

  /** Undoes everything. Reports a step that fails and continues. Idempotent. */
  [Symbol.dispose](): void {
    process.off('exit', this.#onExit)
    this.#steps[Symbol.dispose]()
  }
}
