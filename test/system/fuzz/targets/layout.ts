import { deepStrictEqual } from 'node:assert/strict'
import {
  config,
  counters,
  flowEnd,
  program,
  quarantine,
} from '../../../../src/datapath/maps/generated.ts'
import type { Codec } from 'libbpf'

export function fuzz(input: Uint8Array): void {
  // Only read: a process's name need not be valid text, and invalid text cannot be written back.
  read(flowEnd, input)
  read(quarantine, input)
  roundTrip(config, input)
  roundTrip(counters, input)
  roundTrip(program, input)
}

function read<T>(codec: Codec<T>, input: Uint8Array): T | undefined {
  if (input.length < codec.size) return undefined
  return codec.decode(new DataView(input.buffer, input.byteOffset, input.byteLength), 0)
}

/** A decoded record can be encoded, and decodes to the same again. */
function roundTrip<T>(codec: Codec<T>, input: Uint8Array): void {
  const value = read(codec, input)
  if (value === undefined) return
  const view = new DataView(new ArrayBuffer(codec.size))
  codec.encode(value, view, 0)
  deepStrictEqual(codec.decode(view, 0), value)
}
