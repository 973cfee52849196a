import { loadSync, type MethodDefinition } from '@grpc/proto-loader'
import {
  type Arbitrary,
  array,
  assert,
  bigInt,
  boolean,
  constant,
  dictionary,
  double,
  nat,
  oneof,
  property,
  record,
  string,
} from 'fast-check'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { decode, encode } from '../../../src/api/proto-codec.ts'
import { type Field, type Message, readProto } from '../../../src/api/proto-file.ts'
import { controlService } from '../../../src/api/wire.ts'
import { packageRoot } from '../../../src/lib/package.ts'

const path = join(packageRoot, 'src/api/control.proto')
const proto = readProto(readFileSync(path, 'utf8'))
const methods = proto.services.get('Control') ?? []

type LoadedMethod = MethodDefinition<object, object, object, object>

/** The service as protobufjs reads it. */
function reference(): Readonly<Record<string, LoadedMethod>> {
  const loaded = loadSync(path, { defaults: true, arrays: true, objects: true, longs: String })[
    controlService
  ]
  if (!loaded || 'format' in loaded) throw new Error('control.proto defines no service')
  return loaded
}

/** Values of a message; each field that may be absent is so at times. */
function values(message: Message): Arbitrary<object> {
  const fields = message.fields.map(
    (field) => [field.name, field.rule, fieldValues(field)] as const,
  )
  return record(Object.fromEntries(fields.map(([name, , arbitrary]) => [name, arbitrary])), {
    requiredKeys: fields.flatMap(([name, rule]) => (rule === 'optional' ? [] : [name])),
    noNullPrototype: true,
  })
}

function fieldValues({ rule, type }: Field): Arbitrary<unknown> {
  const one = typeof type === 'object' ? values(type) : scalarValues[type]
  if (rule === 'repeated') return array<unknown>(one, { maxLength: 3 })
  if (rule !== 'map') return one
  const key = string({ unit: 'grapheme' }).filter((text) => text !== '__proto__')
  return dictionary<unknown>(key, one, { maxKeys: 3, noNullPrototype: true })
}

const scalarValues = {
  string: oneof(string({ unit: 'grapheme' }), constant('x'.repeat(200))),
  bool: boolean(),
  uint32: oneof(nat(300), nat(0xffff_ffff)),
  uint64: oneof(bigInt(0n, 300n), bigInt(0n, 2n ** 64n - 1n)),
  // JSON knows no infinity and no -0.
  double: double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
}

/** 64 bits as protobufjs gives them here. */
function withText(value: object): object {
  const copy: object = JSON.parse(
    JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? String(one) : one)),
  )
  return copy
}

await test('all messages of control.proto: protobufjs reads the bytes as the same', (t) => {
  const theirs = reference()
  t.strictSame(
    methods.map(({ name }) => name),
    Object.keys(theirs),
  )
  for (const { name, request, response, responseStream } of methods) {
    const their = theirs[name]
    if (!their) throw new Error(`protobufjs knows no ${name}`)
    t.equal(their.path, `/${controlService}/${name}`)
    t.equal(their.responseStream, responseStream)
    assert(
      property(values(request), values(response), (question, answer) => {
        t.strictSame(
          JSON.parse(JSON.stringify(their.requestDeserialize(encode(request, question)))),
          withText(question),
        )
        t.strictSame(
          JSON.parse(JSON.stringify(their.responseDeserialize(encode(response, answer)))),
          withText(answer),
        )
      }),
      { numRuns: 20 },
    )
  }
  t.end()
})

await test('all messages of control.proto: the bytes of protobufjs are read as the same', (t) => {
  const theirs = reference()
  for (const { name, response } of methods) {
    assert(
      property(values(response), (answer) => {
        const bytes = theirs[name]?.responseSerialize(withText(answer))
        t.strictSame(decode(response, bytes ?? Buffer.of()), answer)
      }),
      { numRuns: 20 },
    )
  }
  t.end()
})

const message = (name: string): Message => {
  const found = proto.messages.get(name)
  if (!found) throw new Error(`no message ${name}`)
  return found
}

await test('a newer peer may send fields of every kind that the message does not have', (t) => {
  const unknown = '480150ffffffffffffffffff015a0361626361010203040506070865010203046a020801'
  const known = encode(message('ForgiveResponse'), { forgiven: 7 })
  const bytes = Buffer.concat([Buffer.from(unknown, 'hex'), known])
  t.strictSame(decode(message('ForgiveResponse'), bytes), { forgiven: 7 })
  t.end()
})

await test('an absent field is zero; an absent message is null; an absent optional field is absent', (t) => {
  t.strictSame(decode(message('Flow'), Buffer.of()), {
    identity: '',
    state: '',
    ageMs: 0n,
    directions: [],
  })
  t.strictSame(decode(message('HopFlowsRequest'), Buffer.of()), { ends: null, limit: 0 })
  t.end()
})

await test('bytes that end too early are refused', (t) => {
  const pod = { namespace: 'shop', name: 'cart-0', connections: { engaged: 1, plain: 300 } }
  const bytes = encode(message('PodsResponse'), { pods: [pod] })
  for (let length = 1; length < bytes.length; length++) {
    t.throws(() => decode(message('PodsResponse'), bytes.subarray(0, length)), RangeError)
  }
  t.end()
})

await test('a map may have the key __proto__', (t) => {
  const reasons = Object.fromEntries([['__proto__', 1]])
  const bytes = encode(message('ReasonsResponse'), { reasons })
  const [read] = Object.values(decode(message('ReasonsResponse'), bytes))
  t.strictSame(Object.entries(Object(read)), [['__proto__', 1n]])
  t.end()
})

await test('a value of the wrong type names its field', (t) => {
  t.throws(() => encode(message('ForgiveRequest'), { program: 5 }), { message: /^program must be/ })
  t.throws(() => encode(message('StatusResponse'), { pods: 5 }), { message: /^pods must be/ })
  t.end()
})

await test('what the reader of proto files does not know is refused with its line', (t) => {
  const refused = [
    ['message A {\n  repeated uint32 numbers = 1;\n}', 'line 2'],
    ['message A {\n  enum B {\n', 'line 2'],
    ['service S {\n  rpc A(stream A) returns (A);\n}', 'line 2'],
    ['message A {\n  B b = 1;\n}', 'message B is not defined'],
  ] as const
  for (const [text, said] of refused) t.throws(() => readProto(text), { message: new RegExp(said) })
  t.end()
})
