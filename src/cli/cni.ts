import { join } from 'node:path'
import type { CommandModule, Options } from 'yargs'
import { attachmentsThrough, installBinary, removeBinary } from '../../cni/binary.ts'
import { ChainKeeper } from '../../cni/chain-keeper.ts'
import { chainIn, chainOut } from '../../cni/chain.ts'
import { pluginType, type PluginEntry } from '../../cni/conflist.ts'
import { defaults } from '../config.ts'
import { createLog } from '../log.ts'
import { packageRoot } from '../package.ts'
import { environmentOf, type CliEnvironment } from './environment.ts'
import { withHelp } from './help.ts'
import { requireRoot } from './require-root.ts'
import { UsageError } from './usage-error.ts'

interface Places {
  readonly 'conf-dir': string
  readonly 'bin-dir': string
}

interface InstallArgs extends Places {
  readonly socket: string
  readonly watch: boolean
}

interface UninstallArgs extends Places {
  readonly 'cache-dir': string
}

type PathOption = Options & { readonly type: 'string'; readonly default: string }

const placeOptions: Record<keyof Places, PathOption> = {
  'conf-dir': {
    type: 'string',
    default: '/etc/cni/net.d',
    describe: "The container runtime's CNI configurations",
    requiresArg: true,
  },
  'bin-dir': {
    type: 'string',
    default: '/opt/cni/bin',
    describe: "The container runtime's CNI plugins",
    requiresArg: true,
  },
}

const install: CommandModule<object, InstallArgs> = {
  command: 'install',
  describe: 'Chain the plugin into the network that the container runtime uses',
  builder: (yargs) =>
    withHelp(
      yargs.options({
        ...placeOptions,
        socket: {
          type: 'string',
          default: defaults.cniSocketPath,
          describe: "The agent's CNI socket",
          requiresArg: true,
        },
        watch: {
          type: 'boolean',
          default: false,
          describe: 'Stay, and chain it in again when another installer has dropped it',
        },
      }),
      {
        usage: 'cni install',
        about:
          'Copies the plugin to where the container runtime looks for plugins, and chains it into the network that the ' +
          'runtime uses, so that new pods are enrolled before their first process runs. Nothing else of the file changes.',
        examples: [
          ['cni install', 'once; idempotent'],
          ['cni install --watch', "beside other installers, such as a mesh's own"],
        ],
      },
    ),
  handler: async (args) => {
    const environment = environmentOf(args)
    requireRoot(environment, 'install the CNI plugin')
    if (!args.socket.startsWith('/')) throw new UsageError('--socket must be an absolute path')
    const source = join(packageRoot, 'build/cni', pluginType)
    // First the binary: a chain that names a missing one starts no pod.
    const copied = installBinary(source, args['bin-dir'])
    const entry: PluginEntry =
      args.socket === defaults.cniSocketPath
        ? { type: pluginType }
        : { type: pluginType, socket: args.socket }
    if (args.watch) return keepIn(args, entry, environment)
    const changed = chainIn(args['conf-dir'], entry)
    const say = changed === undefined ? 'already installed' : `chained into ${changed}`
    environment.stderr.write(changed === undefined && copied ? 'plugin renewed\n' : `${say}\n`)
  },
}

async function keepIn(
  { 'conf-dir': confDir }: InstallArgs,
  entry: PluginEntry,
  { stderr, endSignal }: CliEnvironment,
): Promise<void> {
  const end = endSignal()
  using keeper = new ChainKeeper({
    chainIn: () => chainIn(confDir, entry),
    log: createLog('info', stderr),
  })
  keeper.start()
  await new Promise<void>((resolve) => {
    if (end.aborted) resolve()
    end.addEventListener('abort', () => resolve())
  })
}

const uninstall: CommandModule<object, UninstallArgs> = {
  command: 'uninstall',
  describe: 'Take the plugin out of the chain; what others made of the files since stays',
  builder: (yargs) =>
    withHelp(
      yargs.options({
        ...placeOptions,
        'cache-dir': {
          type: 'string',
          default: '/var/lib/cni',
          describe: "The container runtime's memory of the networks that it has connected pods to",
          requiresArg: true,
        },
      }),
      {
        usage: 'cni uninstall',
        about:
          'Takes the plugin out of the chain. Its binary goes as well, unless pods that were connected through it may ' +
          'still need it.',
        examples: [['cni uninstall', 'idempotent']],
      },
    ),
  handler: (args) => {
    const environment = environmentOf(args)
    requireRoot(environment, 'remove the CNI plugin')
    const changed = chainOut(args['conf-dir'])
    const pods = attachmentsThrough(args['cache-dir'])
    const removed = pods === 0 && removeBinary(args['bin-dir'])
    const { stderr } = environment
    if (changed.length > 0) stderr.write(`taken out of ${changed.join(', ')}\n`)
    else stderr.write(removed ? 'the plugin is removed\n' : 'already uninstalled\n')
    if (pods > 0) {
      stderr.write(
        `${join(args['bin-dir'], pluginType)} stays, which does nothing without an agent: ` +
          `CRI-O may need it to remove ${pods} pods that were connected through it. ` +
          'Run this again when they are gone.\n',
      )
    }
  },
}

const command: CommandModule = {
  command: 'cni',
  describe: "Chain the CNI plugin into the node's network, or take it out",
  builder: (yargs) =>
    withHelp(
      yargs.command(install).command(uninstall).demandCommand(1, 'Name install or uninstall.'),
      {
        usage: 'cni install|uninstall',
        about: "Chains meshaccel's CNI plugin into the node's network, or takes it out.",
        examples: [
          ['cni install', 'chain it in'],
          ['cni uninstall', 'take it out'],
        ],
      },
    ),
  handler: () => undefined,
}

export default command
