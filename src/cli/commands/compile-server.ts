import type { CommandModule } from 'yargs'
import { startCompileServer } from '../../compile/start.ts'
import { readIdentity } from '../../compile/tls.ts'
import { createLog } from '../../lib/log.ts'
import { environmentOf } from '../environment.ts'
import { withHelp } from '../help.ts'
import { identityOptions, type IdentityArgs } from '../options.ts'
import { UsageError } from '../usage-error.ts'

interface Args extends IdentityArgs {
  readonly listen: string
  readonly btf: string | undefined
  readonly jobs: number | undefined
  readonly queue: number
  readonly cache: number
  readonly 'log-level': 'debug' | 'info' | 'warn' | 'error'
}

const cacheEntries = 4_096
const cacheAgeMs = 24 * 3_600_000
const graceMs = 10_000

const command: CommandModule<object, Args> = {
  command: 'compile-server',
  describe: 'Serve compilations of BPF programs, so that clients need no clang',
  builder: (yargs) =>
    withHelp(
      yargs.options({
        listen: {
          type: 'string',
          default: '127.0.0.1:7443',
          describe: 'HOST:PORT to listen at',
          requiresArg: true,
        },
        ...identityOptions,
        btf: {
          type: 'string',
          describe: 'A directory with BTFs of other kernels: MACHINE/RELEASE.btf',
          requiresArg: true,
        },
        jobs: {
          type: 'number',
          describe: 'How many compilations run at once [default: one for each core]',
          requiresArg: true,
        },
        queue: {
          type: 'number',
          default: 32,
          describe: 'How many more may wait; others are asked to come back',
          requiresArg: true,
        },
        cache: {
          type: 'number',
          default: 256 << 20,
          describe: 'Bytes of answers to remember, for a day at most',
          requiresArg: true,
        },
        'log-level': {
          choices: ['debug', 'info', 'warn', 'error'] as const,
          default: 'info' as const,
          describe: 'The lowest level that is logged, to the standard error output',
          requiresArg: true,
        },
      }),
      {
        usage: 'compile-server --cert FILE --key FILE --ca FILE',
        about:
          'Compiles BPF programs for clients that have a certificate of the authority: `meshaccel compile` is one. ' +
          'Each compiler runs in a sandbox of bubblewrap, without network and without the files of this machine. ' +
          'SIGTERM lets open requests end.',
        examples: [
          [
            'compile-server --listen 0.0.0.0:7443 --cert s.crt --key s.key --ca ca.crt',
            'for other machines',
          ],
          [
            'compile-server --btf /var/lib/btf --cert s.crt --key s.key --ca ca.crt',
            'with types of other kernels',
          ],
        ],
        exit: '0 ended on request, 1 could not start, 2 invalid command line',
        more: 'It needs clang, llvm, bpftool, libbpf-dev and bubblewrap; and root, or user namespaces for its user.',
      },
    ),
  handler: async (args) => {
    const environment = environmentOf(args)
    const address = refuseNonsense(args)
    const identity = readIdentity(args)
    const log = createLog(args['log-level'], environment.stderr)
    const end = environment.endSignal()
    const server = await startCompileServer(
      {
        address,
        identity,
        btfDirectory: args.btf,
        jobs: args.jobs,
        queue: args.queue,
        cache: { entries: cacheEntries, bytes: args.cache, ageMs: cacheAgeMs },
      },
      log,
    )
    if (!end.aborted) {
      await new Promise<void>((resolve) => end.addEventListener('abort', () => resolve()))
    }
    await server.stop(graceMs)
    log.info({}, 'ended')
  },
}

export default command

function refuseNonsense({ listen, jobs = 1, queue, cache }: Args): string {
  if (!/^(?:\[[\da-fA-F:]+\]|[^:\s]+):\d{1,5}$/.test(listen)) {
    throw new UsageError(`--listen must be HOST:PORT, not ${listen}`)
  }
  // Each job that runs has a user id of its own, of 16.
  whole('jobs', jobs, 1, 16)
  whole('queue', queue, 0, 10_000)
  whole('cache', cache, 0, 2 ** 36)
  return listen
}

function whole(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return
  throw new UsageError(`--${name} must be a whole number from ${least} to ${most}`)
}
