import type { Options } from 'yargs'
import { defaults } from '../lib/config.ts'
import { formatDuration, parseDuration, type PlainUnit } from '../lib/duration.ts'
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
  describe: 'Output format',
  requiresArg: true,
}

export const pinOption: Options & { readonly type: 'string'; readonly default: string } = {
  type: 'string',
  default: defaults.pinDir,
  describe: 'The bpffs directory of the pins',
  requiresArg: true,
}

export const btfOption: Options & { readonly type: 'string' } = {
  type: 'string',
  describe:
    "A BTF file, or a folder of files from `meshaccel btf`, to fit the programs to [default: the kernel's own types]",
  requiresArg: true,
}

export const cgroupOption: Options & { readonly type: 'string' } = {
  type: 'string',
  describe: 'The cgroup v2 directory to watch [default: the root, from mountinfo]',
  requiresArg: true,
}

export const timeoutOption: Options & { readonly type: 'string'; readonly default: string } = {
  type: 'string',
  default: formatDuration(defaults.drainTimeoutMs),
  describe: 'How long connections may take to leave: 500ms, 30s, 2m, or seconds',
  requiresArg: true,
}

/** The milliseconds of `--timeout DURATION`. */
export function timeoutMsOf({ timeout }: { readonly timeout: string }): number {
  // uint32 on the wire.
  return Math.ceil(durationMs('--timeout', timeout, { minMs: 1, maxMs: 4_000_000_000 }))
}

/** The milliseconds of an option that takes a duration; throws a UsageError that names the option. */
export function durationMs(
  option: string,
  text: string,
  {
    minMs,
    maxMs,
    plainUnit = 's',
  }: { readonly minMs: number; readonly maxMs: number; readonly plainUnit?: PlainUnit },
): number {
  const ms = parseDuration(text, plainUnit)
  if (ms !== undefined && ms >= minMs && ms <= maxMs) return ms
  const plain = plainUnit === 's' ? 'seconds' : 'milliseconds'
  throw new UsageError(
    `${option} must be a duration such as 500ms, 2s or 2m, or a number of ${plain}, ` +
      `from ${formatDuration(minMs)} to ${formatDuration(maxMs)}, not ${text}`,
  )
}

/** The options of `drain` and `cleanup`. They talk to the agent, or do its work on the pins if none answers. */
export interface DrainArgs {
  readonly socket: string
  readonly pin: string
  readonly cgroup: string | undefined
  readonly timeout: string
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
    describe: 'After the timeout, reset connections whose readers do not read',
  },
  pin: { ...pinOption, describe: 'The bpffs directory of the pins, used when no agent answers' },
  cgroup: { ...cgroupOption, describe: 'Accepted for compatibility; the pins record their cgroup' },
}

/** The options of commands that show the agent's state, once or repeatedly. */
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
    describe:
      'Show it again until Ctrl-C, every 2 seconds or as often as named: 500ms, 5s, 1m, or seconds',
  },
}

/** The certificates of one side of mutual TLS. */
export interface IdentityArgs {
  readonly cert: string
  readonly key: string
  readonly ca: string
}

const pemOption = (
  describe: string,
): Options & { readonly type: 'string'; readonly demandOption: true } => ({
  type: 'string',
  demandOption: true,
  describe,
  requiresArg: true,
})

export const identityOptions: Readonly<
  Record<'cert' | 'key' | 'ca', ReturnType<typeof pemOption>>
> = {
  cert: pemOption('The certificate of this side, in PEM'),
  key: pemOption('Its private key, in PEM'),
  ca: pemOption('The authority that signs the certificates of the other side, in PEM'),
}
