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

/** A message that can be decoded can be encoded, and is decoded as the same message again. */
function roundTrip<T>(
  decode: (bytes: Buffer) => T,
  encode: (value: T) => Buffer,
  bytes: Buffer,
): void {
  let value
  try {
    value = decode(bytes)
  } catch (error) {
    // gRPC answers the peer with it.
    if (error instanceof Error) return
    throw error
  }
  deepStrictEqual(decode(encode(value)), value)
}
