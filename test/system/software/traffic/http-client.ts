/** HTTP/1.1 by Node's client: a body goes out and comes back, in the same exchange or by PUT and GET. */
import { Agent, request, type IncomingMessage } from 'node:http'
import { mustEqual, payload } from './payload.ts'
import { runRounds } from './rounds.ts'

interface Options {
  readonly host: string
  readonly port: number
  readonly connections: number
  /** The number of exchanges per connection; by default unlimited. */
  readonly lifetime?: number
  /** The bodies' lengths in turn. */
  readonly sizes: readonly number[]
  readonly how: 'echo' | 'store'
  /** The folder for PUT, if there are several clients. */
  readonly folder?: string
}
const options: Options = JSON.parse(process.argv[2] ?? '{}')

await runRounds(options, async (index) => {
  // One connection that is kept: Node never retries by itself.
  const agent = new Agent({ keepAlive: true, maxSockets: 1, timeout: 0 })
  return {
    round: async (count) => {
      const { sizes, how } = options
      const size = sizes[(count + index) % sizes.length] ?? 1
      const body = payload(index * 1000 + count, size)
      const path = `/${options.folder ?? 'any'}/${index}-${count % 4}`
      const what = `${size} bytes`
      if (how === 'echo') {
        mustEqual(what, await exchange(agent, 'POST', path, 200, body), body)
      } else {
        await exchange(agent, 'PUT', path, [201, 204], body)
        mustEqual(what, await exchange(agent, 'GET', path, 200), body)
      }
    },
    close: () => agent.destroy(),
  }
})

async function exchange(
  agent: Agent,
  method: string,
  path: string,
  expected: number | readonly number[],
  body?: Buffer,
): Promise<Buffer> {
  const { host, port } = options
  const headers = body ? { 'content-length': body.length } : {}
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const outgoing = request({ agent, host, port, method, path, headers }, resolve)
    outgoing.on('error', reject)
    outgoing.end(body)
  })
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  const { statusCode = 0 } = response
  if (![expected].flat().includes(statusCode)) throw new Error(`${method}: status ${statusCode}`)
  return Buffer.concat(chunks)
}
