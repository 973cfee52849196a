import type { AgentParts } from '../../src/agent/start.ts'
import type { CliEnvironment } from '../../src/cli/environment.ts'
import { runCli } from '../../src/cli/run.ts'

export interface CliResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface CliRunOptions {
  readonly agentParts?: AgentParts
  readonly uid?: number
  readonly signal?: AbortSignal
  readonly env?: Readonly<Record<string, string>>
  readonly terminalColumns?: number
  /** The standard error output is a terminal of this width. */
  readonly stderrColumns?: number
  /** Called with each piece of the standard output. */
  readonly onStdout?: (text: string) => unknown
  /** Called with each piece of the standard error output. */
  readonly onStderr?: (text: string) => unknown
}

/** For functions that need an environment, and write nothing. It is not a terminal. */
export function environmentFor(): CliEnvironment {
  return {
    argv: [],
    stdin: { setRawMode: () => {}, on: () => {}, off: () => {}, pause: () => {} },
    stdout: { write: () => true },
    stderr: { write: () => true },
    env: {},
    uid: 0,
    endSignal: () => new AbortController().signal,
    exitCode: 0,
  }
}

/** Runs a command line in this process. */
export async function runCommand(
  argv: readonly string[],
  options: CliRunOptions = {},
): Promise<CliResult> {
  let stdout = ''
  let stderr = ''
  const terminal =
    options.terminalColumns === undefined ? {} : { isTTY: true, columns: options.terminalColumns }
  const code = await runCli({
    argv,
    stdin: { setRawMode: () => {}, on: () => {}, off: () => {}, pause: () => {} },
    stdout: {
      write: (data) => {
        const text = textOf(data)
        stdout += text
        options.onStdout?.(text)
      },
      ...terminal,
    },
    stderr: {
      write: (data) => {
        const text = textOf(data)
        stderr += text
        options.onStderr?.(text)
      },
      ...(options.stderrColumns === undefined
        ? {}
        : { isTTY: true, columns: options.stderrColumns }),
    },
    env: options.env ?? {},
    uid: options.uid ?? 0,
    endSignal: () => options.signal ?? new AbortController().signal,
    ...(options.agentParts ? { agentParts: options.agentParts } : {}),
    exitCode: 0,
  })
  return { code, stdout, stderr }
}

/** Bytes have a character each. */
const textOf = (data: string | Uint8Array): string =>
  typeof data === 'string' ? data : Buffer.from(data).toString('latin1')
