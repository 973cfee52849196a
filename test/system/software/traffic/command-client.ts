/** A command that makes a load by itself, repeated. It must succeed with the expected output. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { runRounds } from './rounds.ts'

interface Options {
  readonly command: readonly string[]
  /** A regular expression that its output must match. */
  readonly expected: string
  /**
   * A regular expression for output when the server was not ready yet. Then the command is repeated, a bounded number
   * of times.
   */
  readonly busy?: string
}
const { command, expected, busy }: Options = JSON.parse(process.argv[2] ?? '{}')
const [program = '', ...args] = command
const run = promisify(execFile)

const ATTEMPTS = 50
async function attempt(left: number): Promise<{ stdout: string; stderr: string }> {
  try {
    return await run(program, args, { maxBuffer: 1 << 26 })
  } catch (error) {
    // With what execFile adds: stdout and stderr.
    const said = JSON.stringify(error)
    if (busy === undefined || left === 0 || !new RegExp(busy).test(said)) throw error
    await new Promise((resolve) => setTimeout(resolve, 100))
    return attempt(left - 1)
  }
}

await runRounds({ connections: 1 }, async () => ({
  round: async () => {
    const { stdout, stderr } = await attempt(ATTEMPTS)
    if (!new RegExp(expected).test(stdout)) throw new Error(`${stdout.slice(-500)}${stderr}`)
  },
  close: () => {},
}))
