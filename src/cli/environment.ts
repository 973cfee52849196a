import type { AgentParts } from '../agent.ts'

/** An output of a command: a stream, or a test's string. */
export interface Output {
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
}

/** Everything of the outside that a command uses, so that tests can run it in their own process. */
export interface CliEnvironment {
  readonly argv: readonly string[]
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
