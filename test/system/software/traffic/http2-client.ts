/** HTTP/2 by Node's client: several streams at a time, each body comes back as the answer. */
import { connect, type ClientHttp2Session } from 'node:http2'
import { mustEqual, payload } from './payload.ts'
import { runRounds } from './rounds.ts'

interface Options {
  readonly host: string
  readonly port: number
  readonly connections: number
  /** The bodies' lengths of the streams of one round. */
  readonly sizes: readonly number[]
}
const { host, port, connections, sizes }: Options = JSON.parse(process.argv[2] ?? '{}')

await runRounds({ connections }, async (index) => {
  const session = connect(`http://${host}:${port}`)
  session.on('error', () => session.destroy())
  return {
    round: async (count) => {
      await Promise.all(
        sizes.map(async (size, stream) => {
          const body = payload(index * 1000 + count * 10 + stream, size)
          mustEqual(`${size} bytes`, await post(session, body), body)
        }),
      )
    },
    close: () => session.destroy(),
  }
})

async function post(session: ClientHttp2Session, body: Buffer): Promise<Buffer> {
  const stream = session.request({ ':method': 'POST', ':path': '/' })
  stream.end(body)
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}
