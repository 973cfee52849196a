import { Metadata } from '@grpc/grpc-js'
import { messageOf } from '../lib/errno.ts'
import { type ErrorDetails, MeshaccelError } from '../lib/errors.ts'

/** The parts of an error that do not fit into gRPC's status. They cross the socket as metadata. */
export function errorMetadata(error: ErrorDetails): { metadata: Metadata } {
  const metadata = new Metadata()
  metadata.set('meshaccel-code', error.code)
  metadata.set('meshaccel-operation', encodeURIComponent(error.operation))
  if (error.hint !== undefined) metadata.set('meshaccel-hint', encodeURIComponent(error.hint))
  return { metadata }
}

/** Rebuilds the agent's error for the client to throw. */
export function errorFromStatus(error: unknown, method: string): MeshaccelError {
  const metadata =
    error instanceof Error && 'metadata' in error && error.metadata instanceof Metadata
      ? error.metadata
      : new Metadata()
  const text = (key: string): string | undefined => metadata.get(key)[0]?.toString()
  // gRPC's message is `9 FAILED_PRECONDITION: ` plus the details.
  const said = messageOf(error).replace(/^\d+ [A-Z_]+: /, '')
  const operation = text('meshaccel-operation')
  if (operation === undefined) {
    return new MeshaccelError(said, {
      code: 'AGENT_FAILED',
      operation: `ask the agent for ${method.toLowerCase()}`,
      hint: "The agent's log may say more.",
      cause: error,
    })
  }
  const attempted = decoded(operation)
  const hint = text('meshaccel-hint')
  return new MeshaccelError(said.replace(`${attempted}: `, ''), {
    code: text('meshaccel-code') ?? 'AGENT_FAILED',
    operation: attempted,
    hint: hint === undefined ? undefined : decoded(hint),
    cause: error,
  })
}

/** Decodes a value. Text that is not encoded stays as it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
