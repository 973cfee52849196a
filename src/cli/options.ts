import type { Options } from 'yargs'
import { defaults } from '../lib/config.ts'
import { UsageError } from './usage-error.ts'

/** Options that several commands share. */
export const socketOption: Options & { readonly type: 'string'; readonly default: string } = {
  type: 'string',
  default: defaults.socketPath,
  describe: "The agent's control socket",
  requiresArg: true,
}

export const outputOption: Options & {
  readonly choices: readonly ('table' | 'json')[]
  readonly default: 'table'
} = {
  alias: 'o',
  choices: ['table', 'json'],
  default: 'table',
  describe: 'How to print',
  requiresArg: true,
}

export const pinOption: Options & { readonly type: 'string'; readonly default: string } = {
  type: 'string',
  default: defaults.pinDir,
  describe: 'The bpffs directory of the pins',
  requiresArg: true,
}

export const cgroupOption: Options & { readonly type: 'string' } = {
  type: 'string',
  describe: 'The cgroup v2 directory to watch [default: the root, from mountinfo]',
  requiresArg: true,
}

export const timeoutOption: Options & { readonly type: 'number'; readonly default: number } = {
  type: 'number',
  default: defaults.drainTimeoutMs / 1000,
  describe: 'How many seconds connections may take to leave',
  requiresArg: true,
}

/** The milliseconds of `--timeout SECONDS`. */
export function timeoutMsOf({ timeout }: { readonly timeout: number }): number {
  // uint32 on the wire.
  if (timeout > 0 && timeout < 4_000_000) return Math.ceil(timeout * 1000)
  throw new UsageError('--timeout must be a number of seconds above 0')
}

/** What `drain` and `cleanup` take: they talk to the agent, or do its work on the pins when none answers. */
export interface DrainArgs {
  readonly socket: string
  readonly pin: string
  readonly cgroup: string | undefined
  readonly timeout: number
  readonly force: boolean
}

export const drainOptions: {
  readonly socket: typeof socketOption
  readonly timeout: typeof timeoutOption
  readonly force: Options & { readonly type: 'boolean'; readonly default: false }
  readonly pin: typeof pinOption
  readonly cgroup: typeof cgroupOption
} = {
  socket: socketOption,
  timeout: timeoutOption,
  force: {
    type: 'boolean',
    default: false,
    describe: 'After that, reset the connections that cannot leave because nobody reads',
  },
  pin: { ...pinOption, describe: 'Where the pins are when no agent answers' },
  cgroup: { ...cgroupOption, describe: 'Accepted; the pins know their cgroup' },
}

/** What commands take that show something of the agent, once or again and again. */
export interface ShowArgs {
  readonly socket: string
  readonly output: 'table' | 'json'
  readonly watch: string | undefined
}

export const showOptions: {
  readonly socket: typeof socketOption
  readonly output: typeof outputOption
  readonly watch: Options & { readonly type: 'string' }
} = {
  socket: socketOption,
  output: outputOption,
  watch: {
    alias: 'w',
    type: 'string',
    describe: 'Show it again every SECONDS, 2 if none are named, until Ctrl-C',
  },
}
