/** A program that answers each line of its standard input by one line: an ssh that runs `cat`, psql, redis-cli. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { mustEqual, payload } from './payload.ts'
import { runRounds } from './rounds.ts'

interface Options {
  readonly command: readonly string[]
  readonly connections: number
  /** Text before and after the content, only in the sent line. */
  readonly before?: string
  readonly after?: string
  /** The lengths of the lines in turn. */
  readonly sizes: readonly number[]
}
const options: Options = JSON.parse(process.argv[2] ?? '{}')

await runRounds(options, async (index) => {
  const { before = '', after = '', sizes } = options
  const [command = '', ...args] = options.command
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.on('error', () => {})
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    round: async (count) => {
      const size = sizes[(count + index) % sizes.length] ?? 1
      const text = payload(index * 1000 + count, size)
        .toString('hex')
        .slice(0, size)
      child.stdin.write(`${before}${text}${after}\n`)
      const { value, done } = await lines.next()
      if (done) throw new Error(`${command} has ended`)
      mustEqual(`${size} characters`, Buffer.from(value), Buffer.from(text))
    },
    close: () => child.kill('SIGKILL'),
  }
})
