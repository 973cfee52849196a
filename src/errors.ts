/** What an error needs to say besides its message. */
export interface ErrorDetails {
  /** A stable name to branch on: `EPERM`, `BAD_PODS_FILE`. */
  readonly code: string
  /** What was attempted: `attach sk_msg to sockhash`. */
  readonly operation: string
  /** What to do next, a sentence. */
  readonly hint?: string | undefined
  /** Whether the same call may succeed later. */
  readonly retryable?: boolean
  readonly cause?: unknown
}

/** The base of every error that meshaccel throws on purpose: `operation: reason`, the hint apart. */
export class MeshaccelError extends Error implements ErrorDetails {
  override readonly name: string = 'MeshaccelError'
  readonly code: string
  readonly operation: string
  readonly hint: string | undefined
  readonly retryable: boolean

  constructor(reason: string, details: ErrorDetails) {
    super(`${details.operation}: ${reason}`, { cause: details.cause })
    this.code = details.code
    this.operation = details.operation
    this.hint = details.hint
    this.retryable = details.retryable ?? false
  }
}
