/** gRPC by Node's client: in each round one call of each of the four kinds at once. */
import { credentials, makeGenericClientConstructor } from '@grpc/grpc-js'
import { echoService, PART } from './grpc.ts'
import { mustEqual, payload } from './payload.ts'
import { runRounds } from './rounds.ts'

interface Options {
  readonly host: string
  readonly port: number
  readonly connections: number
  /** The messages' lengths in turn. */
  readonly sizes: readonly number[]
}
const { host, port, connections, sizes }: Options = JSON.parse(process.argv[2] ?? '{}')
const { unary, collect, split, chat } = echoService
const { requestSerialize: write, responseDeserialize: read } = unary

const Client = makeGenericClientConstructor({}, 'Echo')

await runRounds({ connections }, async (index) => {
  // A connection of its own.
  const client = new Client(`${host}:${port}`, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.max_receive_message_length': -1,
  })
  const whole = (message: Buffer): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(unary.path, write, read, message, settle(resolve, reject))
    })
  const collected = (message: Buffer): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      const call = client.makeClientStreamRequest(
        collect.path,
        write,
        read,
        settle(resolve, reject),
      )
      for (const part of parts(message)) call.write(part)
      call.end()
    })
  const splitUp = (message: Buffer): Promise<Buffer> =>
    all(client.makeServerStreamRequest(split.path, write, read, message))
  const chatted = (message: Buffer): Promise<Buffer> => {
    const call = client.makeBidiStreamRequest(chat.path, write, read)
    for (const part of parts(message)) call.write(part)
    call.end()
    return all(call)
  }
  return {
    round: async (count) => {
      const size = sizes[(count + index) % sizes.length] ?? 1
      await Promise.all(
        Object.entries({ whole, collected, splitUp, chatted }).map(async ([kind, call], i) => {
          const message = payload(index * 1000 + count * 4 + i, size)
          mustEqual(`${kind}: ${size} bytes`, await call(message), message)
        }),
      )
    },
    close: () => client.close(),
  }
})

function settle(resolve: (message: Buffer) => void, reject: (error: Error) => void) {
  return (error: Error | null, message?: Buffer): void =>
    message ? resolve(message) : reject(error ?? new Error('no answer'))
}

function* parts(message: Buffer): Generator<Buffer> {
  for (let at = 0; at < message.length; at += PART) yield message.subarray(at, at + PART)
}

async function all(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}
