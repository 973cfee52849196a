import {
  closeSync,
  constants,
  fsyncSync,
  openSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { errnoOf, messageOf } from '../../lib/errno.ts'
import { MeshaccelError } from '../../lib/errors.ts'

/** Where captured packets go. Calls throw WRITE_FAILED. */
export interface Sink {
  write(bytes: Uint8Array): void
  /** Everything was written. */
  complete(): void
  /** Gives up. Returns the name under which the packets so far are kept, if there are any. */
  abandon(): string | undefined
}

/**
 * A file that has its name only once it is complete. Until then it is `NAME.partial-PID`. Packets hold secrets, so only
 * the owner may read it. A device or a pipe is written directly.
 */
export class CaptureFile implements Sink {
  readonly #path: string
  readonly #partial: string | undefined
  readonly #fd: number
  #bytes = 0
  #open = true
  #isComplete = false

  /** Throws CANNOT_WRITE. */
  constructor(path: string) {
    this.#path = path
    const kind = statSync(path, { throwIfNoEntry: false })
    this.#partial = kind && !kind.isFile() ? undefined : `${path}.partial-${process.pid}`
    const { O_WRONLY, O_CREAT, O_EXCL } = constants
    const flags = this.#partial === undefined ? O_WRONLY : O_WRONLY | O_CREAT | O_EXCL
    try {
      this.#fd = openSync(this.#partial ?? path, flags, 0o600)
    } catch (error) {
      throw new MeshaccelError(messageOf(error), {
        code: 'CANNOT_WRITE',
        operation: `write ${path}`,
        hint:
          errnoOf(error) === 'EISDIR'
            ? 'Name a file, and not a directory.'
            : 'Name a file in a directory that exists and can be written, or - for the standard output.',
        cause: error,
      })
    }
  }

  write(bytes: Uint8Array): void {
    try {
      for (let offset = 0; offset < bytes.length;) {
        offset += writeSync(this.#fd, bytes, offset)
      }
      this.#bytes += bytes.length
    } catch (error) {
      throw this.#failed(error)
    }
  }

  complete(): void {
    try {
      if (this.#partial !== undefined) fsyncSync(this.#fd)
      this.#close()
      if (this.#partial !== undefined) renameSync(this.#partial, this.#path)
      this.#isComplete = true
    } catch (error) {
      throw this.#failed(error)
    }
  }

  abandon(): string | undefined {
    this.#close()
    if (this.#isComplete) return undefined
    if (this.#partial === undefined || this.#bytes > 0) return this.#partial
    unlinkSync(this.#partial)
    return undefined
  }

  #close(): void {
    if (this.#open) closeSync(this.#fd)
    this.#open = false
  }

  #failed(cause: unknown): MeshaccelError {
    return new MeshaccelError(messageOf(cause), {
      code: 'WRITE_FAILED',
      operation: `write ${this.#path}`,
      hint:
        errnoOf(cause) === 'ENOSPC'
          ? 'Free some space, or capture less with --filter, --snaplen or --for.'
          : undefined,
      cause,
    })
  }
}

/** The standard output. Nothing that was written can be taken back. */
export class OutputSink implements Sink {
  readonly #output: { write(bytes: Uint8Array): unknown }

  constructor(output: { write(bytes: Uint8Array): unknown }) {
    this.#output = output
  }

  write(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#output.write(bytes)
  }

  complete(): void {}

  abandon(): undefined {}
}
