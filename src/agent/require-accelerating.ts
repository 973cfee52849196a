import type { Datapath } from '../datapath/datapath.ts'
import { MeshaccelError } from '../lib/errors.ts'

/** Throws NOT_ACCELERATING if the data path leaves all traffic on TCP. `operation` is what the user wanted. */
export function requireAccelerating(
  { policy, redirecting }: Pick<Datapath, 'policy' | 'redirecting'>,
  operation: string,
): void {
  if (policy !== 'refused' && redirecting) return
  throw new MeshaccelError('the agent does not accelerate anything', {
    code: 'NOT_ACCELERATING',
    operation,
    hint: '`meshaccel status` says why, and what to do.',
  })
}
