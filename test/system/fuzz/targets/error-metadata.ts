import { Metadata } from '@grpc/grpc-js'
import { errorFromStatus } from '../../../../src/api/error-metadata.ts'
import { MeshaccelError } from '../../../../src/lib/errors.ts'

/** Code, operation and hint of an agent's error with a bar between them, as gRPC lets them into headers: ASCII. */
export function fuzz(input: Uint8Array): void {
  const metadata = new Metadata()
  const text = Buffer.from(input)
    .toString('latin1')
    .replace(/[^ -~]/g, '')
  for (const [index, value] of text.split('|', 3).entries()) {
    metadata.set(['meshaccel-code', 'meshaccel-operation', 'meshaccel-hint'][index] ?? '', value)
  }
  const error = errorFromStatus(Object.assign(new Error(text), { metadata }), 'Status')
  if (!(error instanceof MeshaccelError)) throw new Error('it is no MeshaccelError')
}
