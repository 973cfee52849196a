/** A command that makes a load by itself, again and again; it must succeed, and say what is expected. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { runRounds } from './rounds.ts'

interface Options {
  readonly command: readonly string[]
  /** A regular expression that its output must match. */
  readonly expected: string
}
const { command, expected }: Options = JSON.parse(process.argv[2] ?? '{}')
const [program = '', ...args] = command
const run = promisify(execFile)

await runRounds(1, async () => ({
  round: async () => {
    const { stdout, stderr } = await run(program, args, { maxBuffer: 1 << 26 })
    if (!new RegExp(expected).test(stdout)) throw new Error(`${stdout.slice(-500)}${stderr}`)
  },
  close: () => {},
}))
