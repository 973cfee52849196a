// Node 20 has no DisposableStack.

/**
 * Resources and steps, undone in reverse. A step that throws ends the undoing, and the next call goes on with the steps
 * before it. Idempotent.
 */
export class Disposables implements Disposable {
  readonly #steps: (() => void)[] = []

  use = <Resource extends Disposable>(resource: Resource): Resource => {
    this.defer(() => resource[Symbol.dispose]())
    return resource
  }

  defer(undo: () => void): void {
    this.#steps.push(undo)
  }

  [Symbol.dispose](): void {
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) step()
  }
}

/** The same for steps that take time: each one is over before the next one begins. */
export class AsyncDisposables implements AsyncDisposable {
  readonly #steps: (() => unknown)[] = []

  use<Resource extends Disposable>(resource: Resource): Resource {
    this.defer(() => resource[Symbol.dispose]())
    return resource
  }

  /** A promise that `undo` returns is waited for. */
  defer(undo: () => unknown): void {
    this.#steps.push(undo)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) await step()
  }
}
