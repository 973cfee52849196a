import { MeshaccelError } from '../../lib/errors.ts'

/** A place in a file, both counted from 1. */
export interface Position {
  readonly line: number
  readonly column: number
}

/** An error in a pods file: it says where and why. Code `BAD_PODS_FILE`. */
export class PodsFileError extends MeshaccelError {
  override readonly name = 'PodsFileError'
  readonly path: string
  readonly position: Position | undefined

  constructor(
    path: string,
    position: Position | undefined,
    reason: string,
    options: { readonly hint?: string | undefined; readonly cause?: unknown } = {},
  ) {
    const place = position ? `${path}:${position.line}:${position.column}` : path
    super(reason, {
      code: 'BAD_PODS_FILE',
      operation: `read pods file ${place}`,
      hint: options.hint,
      cause: options.cause,
    })
    this.path = path
    this.position = position
  }
}
