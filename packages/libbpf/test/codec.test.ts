import * as fc from 'fast-check'
import tap, { type Test } from 'tap'
import {
  array,
  bool,
  bytes,
  type Codec,
  i32,
  i64,
  struct,
  text,
  u16,
  u16Be,
  u32,
  u32Be,
  u64,
  u8,
} from '../src/index.ts'

const unsigned = (bits: number): fc.Arbitrary<number> => fc.integer({ min: 0, max: 2 ** bits - 1 })

const plainRecord = <T>(model: { [Name in keyof T]: fc.Arbitrary<T[Name]> }): fc.Arbitrary<T> =>
  fc.record<T>(model, { noNullPrototype: true })

/** Writes into memory full of other bytes; nothing outside of the value may change. */
function roundTrip<T>(
  codec: Codec<T>,
  value: T,
  before: number,
): { value: T; outside: Set<number> } {
  const memory = new Uint8Array(before + codec.size + 8).fill(0xa5)
  const view = new DataView(memory.buffer)
  codec.encode(value, view, before)
  const outside = new Set([...memory.subarray(0, before), ...memory.subarray(before + codec.size)])
  return { value: codec.decode(view, before), outside }
}

function property<T>(t: Test, name: string, codec: Codec<T>, values: fc.Arbitrary<T>): void {
  void t.test(name, async (sub) => {
    fc.assert(
      fc.property(values, fc.nat({ max: 16 }), (value, before) => {
        const result = roundTrip(codec, value, before)
        sub.strictSame(result.value, value)
        sub.strictSame([...result.outside], [0xa5])
      }),
      { numRuns: 50 },
    )
  })
}

void tap.test('what is encoded is decoded, and nothing else is written', async (t) => {
  const word = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
  property(t, 'u8', u8, unsigned(8))
  property(t, 'u16', u16, unsigned(16))
  property(t, 'u16Be', u16Be, unsigned(16))
  property(t, 'u32', u32, unsigned(32))
  property(t, 'u32Be', u32Be, unsigned(32))
  property(t, 'i32', i32, fc.integer())
  property(t, 'u64', u64, word)
  property(t, 'i64', i64, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }))
  property(t, 'bool', bool, fc.boolean())
  property(t, 'bytes', bytes(5), fc.uint8Array({ minLength: 5, maxLength: 5 }))
  property(
    t,
    'text',
    text(8),
    fc.string({ maxLength: 7 }).filter((s) => !s.includes('\0') && Buffer.byteLength(s) < 8),
  )
  property(
    t,
    'struct of array and struct',
    struct({ tag: u8, list: array(u16, 3), inner: struct({ word: u64, last: u8 }) }),
    plainRecord({
      tag: unsigned(8),
      list: fc.array(unsigned(16), { minLength: 3, maxLength: 3 }),
      inner: plainRecord({ word, last: unsigned(8) }),
    }),
  )
})

void tap.test('byte order', async (t) => {
  const memory = new Uint8Array(4)
  u16Be.encode(443, new DataView(memory.buffer), 0)
  t.strictSame([...memory], [1, 187, 0, 0])
  u32Be.encode(0x7f000006, new DataView(memory.buffer), 0)
  t.strictSame([...memory], [127, 0, 0, 6])
})

void tap.test('a struct is padded as C pads it, with zeroes', async (t) => {
  const codec = struct({ a: u8, b: u32, c: u8, d: u64, e: u8 })
  t.equal(codec.size, 32)
  t.strictSame(codec.members, {
    a: { offset: 0, size: 1 },
    b: { offset: 4, size: 4 },
    c: { offset: 8, size: 1 },
    d: { offset: 16, size: 8 },
    e: { offset: 24, size: 1 },
  })
  const memory = new Uint8Array(32).fill(0xff)
  codec.encode({ a: 0, b: 0, c: 0, d: 0n, e: 0 }, new DataView(memory.buffer), 0)
  t.strictSame([...new Set(memory)], [0])
})

void tap.test('what does not fit is refused', async (t) => {
  const view = new DataView(new ArrayBuffer(16))
  t.throws(() => bytes(2).encode(new Uint8Array(3), view, 0), RangeError)
  t.throws(() => text(4).encode('four', view, 0), RangeError)
  t.throws(() => array(u8, 2).encode([1], view, 0), RangeError)
  bytes(4).encode(Uint8Array.of(1), view, 0)
  t.strictSame([...bytes(4).decode(view, 0)], [1, 0, 0, 0], 'and what is shorter is filled up')
})
