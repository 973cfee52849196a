/** Plain TCP to a server that sends back the bytes that it gets. */
import { mustEqual, payload } from './payload.ts'
import { runRounds } from './rounds.ts'
import { Wire } from './wire.ts'

interface Options {
  readonly host: string
  readonly port: number
  readonly connections: number
  /** The number of messages per connection; by default unlimited. */
  readonly lifetime?: number
  /** The messages' lengths in turn. */
  readonly sizes: readonly number[]
}
const options: Options = JSON.parse(process.argv[2] ?? '{}')
const { host, port, sizes } = options

await runRounds(options, async (index) => {
  const wire = await Wire.open(host, port)
  return {
    round: async (count) => {
      const size = sizes[(count + index) % sizes.length] ?? 1
      const message = payload(index * 1000 + count, size)
      wire.write(message)
      mustEqual(`${size} bytes`, await wire.read(size), message)
    },
    close: () => wire.close(),
  }
})
