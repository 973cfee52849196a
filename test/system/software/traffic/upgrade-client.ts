/** HTTP/1.1 exchanges, then an upgrade on the same connection, then bytes that come back; a new connection per round. */
import { mustEqual, payload } from './payload.ts'
import { runRounds } from './rounds.ts'
import { Wire } from './wire.ts'

interface Options {
  readonly host: string
  readonly port: number
  readonly connections: number
  readonly protocol: string
  /** The number of exchanges before the upgrade. */
  readonly before: number
  /** The number of messages after it. */
  readonly after: number
  /** Whether the first message follows the upgrade's request at once. */
  readonly eager: boolean
  /** The bodies' and messages' lengths in turn. */
  readonly sizes: readonly number[]
}
const options: Options = JSON.parse(process.argv[2] ?? '{}')

await runRounds(options, async (index) => {
  const { host, port, protocol, before, after, eager, sizes } = options
  let wire: Wire | undefined
  return {
    round: async (count) => {
      wire?.close()
      wire = await Wire.open(host, port)
      const seed = index * 1000 + count
      for (let i = 0; i < before; i++) {
        const body = payload(seed + i, sizes[i % sizes.length] ?? 1)
        wire.write(`POST / HTTP/1.1\r\nhost: echo\r\ncontent-length: ${body.length}\r\n\r\n`)
        wire.write(body)
        expectStatus(200, await wire.readUntil('\r\n\r\n'))
        mustEqual('the answer', await wire.read(body.length), body)
      }
      wire.write(
        `GET / HTTP/1.1\r\nhost: echo\r\nconnection: upgrade\r\nupgrade: ${protocol}\r\n\r\n`,
      )
      const messages = Array.from({ length: after }, (_, i) =>
        payload(seed + before + i, sizes[i % sizes.length] ?? 1),
      )
      if (eager) for (const message of messages) wire.write(message)
      expectStatus(101, await wire.readUntil('\r\n\r\n'))
      for (const message of messages) {
        if (!eager) wire.write(message)
        mustEqual('after the upgrade', await wire.read(message.length), message)
      }
    },
    close: () => wire?.close(),
  }
})

function expectStatus(status: number, head: string): void {
  if (!head.startsWith(`HTTP/1.1 ${status} `)) throw new Error(`not ${status}: ${head}`)
}
