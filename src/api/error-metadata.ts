import { Metadata, type ServiceError } from '@grpc/grpc-js'
import { MeshaccelError } from '../errors.ts'

/** What of an error does not fit into gRPC's own status, and crosses the socket beside it. */
export function errorMetadata(error: MeshaccelError): { metadata: Metadata } {
  const metadata = new Metadata()
  metadata.set('meshaccel-code', error.code)
  metadata.set('meshaccel-operation', encodeURIComponent(error.operation))
  if (error.hint !== undefined) metadata.set('meshaccel-hint', encodeURIComponent(error.hint))
  return { metadata }
}

/** The agent's error as the client throws it. */
export function errorFromStatus(error: ServiceError, method: string): MeshaccelError {
  const text = (key: string): string | undefined => error.metadata.get(key)[0]?.toString()
  const operation = text('meshaccel-operation')
  if (operation === undefined) {
    return new MeshaccelError(error.details, {
      code: 'AGENT_FAILED',
      operation: `ask the agent for ${method.toLowerCase()}`,
      hint: "The agent's log may say more.",
      cause: error,
    })
  }
  const hint = text('meshaccel-hint')
  const said = decodeURIComponent(operation)
  return new MeshaccelError(error.details.replace(`${said}: `, ''), {
    code: text('meshaccel-code') ?? 'AGENT_FAILED',
    operation: said,
    hint: hint === undefined ? undefined : decodeURIComponent(hint),
    cause: error,
  })
}
