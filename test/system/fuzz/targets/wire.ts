import { deepStrictEqual } from 'node:assert/strict'
import { loadControlService } from '../../../../src/api/wire.ts'

const methods = Object.values(loadControlService())

export function fuzz(input: Uint8Array): void {
  const bytes = Buffer.from(input)
  for (const method of methods) {
    roundTrip(method.requestDeserialize, method.requestSerialize, bytes)
    roundTrip(method.responseDeserialize, method.responseSerialize, bytes)
  }
}

/**
 * A decoded message can be encoded, and decodes to the same again. This is done twice, because protobufjs decodes a map
 * entry without its 64-bit value as the number 0, not as an object with two halves.
 */
function roundTrip<T>(
  decode: (bytes: Buffer) => T,
  encode: (value: T) => Buffer,
  bytes: Buffer,
): void {
  let value
  try {
    value = decode(bytes)
  } catch (error) {
    // gRPC sends this error to the peer.
    if (error instanceof Error) return
    throw error
  }
  const said = decode(encode(value))
  deepStrictEqual(decode(encode(said)), said)
}
