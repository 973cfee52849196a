const PERIOD = (1 << 20) + 7

/** Bytes that look random and do not repeat within a power of two, so that a lost, doubled or moved byte shows. */
const pattern: Buffer = (() => {
  const bytes = Buffer.allocUnsafe(PERIOD)
  let state = 0x9e3779b9
  for (let i = 0; i < PERIOD; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[i] = state & 0xff
  }
  return bytes
})()

/** The content that belongs to the seed. */
export function payload(seed: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  let from = (seed * 7919) % PERIOD
  for (let at = 0; at < length; from = 0) {
    at += pattern.copy(bytes, at, from, from + length - at)
  }
  return bytes
}

/** Thrown if the received content differs from the sent one. */
export class WrongContent extends Error {}

/** Throws with the first difference. */
export function mustEqual(what: string, got: Buffer, expected: Buffer): void {
  if (got.equals(expected)) return
  let at = 0
  while (at < got.length && got[at] === expected[at]) at++
  throw new WrongContent(
    `${what}: ${got.length} of ${expected.length} bytes, wrong from byte ${at} on`,
  )
}
