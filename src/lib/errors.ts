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

export type ExplainedError = Error & ErrorDetails

/** Whether an error says what was attempted, and perhaps what to do next: meshaccel's own do, and those of libbpf. */
export function isExplained(error: unknown): error is ExplainedError {
  if (!(error instanceof Error && 'operation' in error && 'code' in error)) return false
  return typeof error.operation === 'string' && typeof error.code === 'string'
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
