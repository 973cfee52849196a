import { Disposables } from '../../src/lib/disposables.ts'

/**
 * What a run has to put back, undone in reverse. Undoing is synchronous, so that it also works from an `exit` handler:
 * a second Ctrl-C or an uncaught error leaves as little behind as an orderly end.
 */
export class UndoStack implements Disposable {
  readonly #steps = new Disposables()
  readonly #complain: (message: string) => void
  readonly #onExit = (): void => this[Symbol.dispose]()

  constructor(complain: (message: string) => void) {
    this.#complain = complain
    process.on('exit', this.#onExit)
  }

  /** Registers a step, best before the resource exists: it must not mind that there is nothing to undo. */
  defer(what: string, undo: () => void): void {
    this.#steps.defer(() => {
      try {
        undo()
      } catch (error) {
        this.#complain(`could not ${what}: ${String(error)}`)
      }
    })
  }

  /** A stack that is undone with this one at the latest. */
  nested(): UndoStack {
    const inner = new UndoStack(this.#complain)
    this.defer('end a part of the run', () => inner[Symbol.dispose]())
    return inner
  }

  /** Undoes everything; a step that fails is reported and the rest goes on. Idempotent. */
  [Symbol.dispose](): void {
    process.off('exit', this.#onExit)
    this.#steps[Symbol.dispose]()
  }
}
