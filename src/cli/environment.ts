import type { AgentParts } from '../agent/start.ts'

/** An output of a command: a stream, or a test's string. */
export interface Output {
  /** Bytes are for results that are no text. */
  write(data: string | Uint8Array): unknown
  readonly isTTY?: boolean
  /** The terminal's size now. */
  readonly columns?: number
  readonly rows?: number
  /** Tells when the terminal has another size. */
  on?(event: 'resize', listener: () => void): unknown
  off?(event: 'resize', listener: () => void): unknown
}

/** The keyboard of the user. */
export interface Keyboard {
  readonly isTTY?: boolean
  /** Keys come one by one, unechoed, Ctrl-C as one of them. */
  setRawMode(raw: boolean): unknown
  on(event: 'data', listener: (keys: Buffer) => void): unknown
  off(event: 'data', listener: (keys: Buffer) => void): unknown
  /** Stops reading, so that the process may end. */
  pause(): unknown
}

/** Everything of the outside that a command uses, so that tests can run it in their own process. */
export interface CliEnvironment {
  readonly argv: readonly string[]
  readonly stdin: Keyboard
  /** Results. */
  readonly stdout: Output
  /** Talk. */
  readonly stderr: Output
  readonly env: Readonly<Record<string, string | undefined>>
  readonly uid: number
  /** Aborted when the user wants the command to end; one that never asks for it is simply killed. */
  readonly endSignal: () => AbortSignal
  /** Another data path than the kernel's. */
  readonly agentParts?: AgentParts
  /** 0 done, 1 failed, 2 usage; a command that throws need not set it. */
  exitCode: number
}

/** The environment of the command that runs: yargs carries it beside the arguments. */
export function environmentOf(argv: object): CliEnvironment {
  const { environment } = argv as { environment?: CliEnvironment }
  if (!environment) throw new Error('the command runs outside of runCli')
  return environment
}
