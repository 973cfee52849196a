/** The parts of an error besides its message. */
export interface ErrorDetails {
  /** A stable name to branch on: `EPERM`, `NO_LIBRARY`. */
  readonly code: string
  /** The operation that failed: `attach sk_msg to sockhash`. */
  readonly operation: string
  /** The next step, a sentence. */
  readonly hint?: string | undefined
  /** Whether the same call may succeed later. */
  readonly retryable?: boolean
  /** The error that led to it. */
  readonly cause?: unknown
}

/** The base of every error that this package throws: its message is `operation: reason`. */
export class LibbpfError extends Error implements ErrorDetails {
  override readonly name: string = 'LibbpfError'
  /** A stable name to branch on: an errno's, such as `EPERM`, or one of this package's, such as `DISPOSED`. */
  readonly code: string
  /** The operation that failed: `attach sk_msg to sockhash`. */
  readonly operation: string
  /** The next step, a sentence; undefined if none is known. */
  readonly hint: string | undefined
  /** Whether the same call may succeed later. */
  readonly retryable: boolean

  constructor(reason: string, details: ErrorDetails) {
    super(`${details.operation}: ${reason}`, { cause: details.cause })
    this.code = details.code
    this.operation = details.operation
    this.hint = details.hint
    this.retryable = details.retryable ?? false
  }
}
