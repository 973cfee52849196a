/** The details of an error besides its message. */
export interface ErrorDetails {
  /** A stable name to branch on: `EPERM`, `BAD_PODS_FILE`. */
  readonly code: string
  /** The failed operation: `attach sk_msg to sockhash`. */
  readonly operation: string
  /** A sentence that says what to do next. */
  readonly hint?: string | undefined
  /** Whether the same call may succeed later. */
  readonly retryable?: boolean
  readonly cause?: unknown
}

export type ExplainedError = Error & ErrorDetails

/** Whether an error has an operation and a code, as our errors and those of libbpf do. It may also have a hint. */
export function isExplained(error: unknown): error is ExplainedError {
  if (!(error instanceof Error && 'operation' in error && 'code' in error)) return false
  return typeof error.operation === 'string' && typeof error.code === 'string'
}

/**
 * The base of every error that meshaccel throws on purpose. The message is `operation: reason`; the hint is separate.
 */
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
