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
  // Only read: what a process calls itself need not be text, and what is no text cannot be written back.
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

/** What was read from a map can be written, and is read again as the same. */
function roundTrip<T>(codec: Codec<T>, input: Uint8Array): void {
  const value = read(codec, input)
  if (value === undefined) return
  const view = new DataView(new ArrayBuffer(codec.size))
  codec.encode(value, view, 0)
  deepStrictEqual(codec.decode(view, 0), value)
}
