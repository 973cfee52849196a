import { MeshaccelError } from '../lib/errors.ts'
import type { CliEnvironment } from './environment.ts'

/** Throws NOT_ROOT unless root asks. */
export function requireRoot({ uid }: CliEnvironment, operation: string): void {
  if (uid === 0) return
  throw new MeshaccelError('only root may', {
    code: 'NOT_ROOT',
    operation,
    hint: 'Run the command with sudo.',
  })
}
