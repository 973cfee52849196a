import { once } from 'node:events'
import { join } from 'node:path'
import type { CommandModule, Options } from 'yargs'
import { PluginBinary } from '../../../cni/binary.ts'
import { ChainKeeper } from '../../../cni/chain-keeper.ts'
import { chainIn, type Chained, type ChainOptions } from '../../../cni/chain.ts'
import { chainOut, removeBesides } from '../../../cni/conf-dir.ts'
import { pluginType } from '../../../cni/conflist.ts'
import { mountRootOf } from '../../../cni/mount-root.ts'
import { knownBinDirs } from '../../../cni/plugin-dirs.ts'
import { uninstall as uninstallPlugin } from '../../../cni/uninstall.ts'
import { chainStatePath, writeChainState } from '../../lib/cni-chain-state.ts'
import { defaults } from '../../lib/config.ts'
import { MeshaccelError } from '../../lib/errors.ts'
import { createLog } from '../../lib/log.ts'
import { packageRoot } from '../../lib/package.ts'
import { environmentOf, type CliEnvironment } from '../environment.ts'
import { withHelp } from '../help.ts'
import { requireRoot } from '../require-root.ts'
import { durationMs } from '../options.ts'
import { UsageError } from '../usage-error.ts'

interface Places {
  readonly 'conf-dir': string
  readonly 'bin-dir': string
  readonly state: string
}

interface InstallArgs extends Places {
  readonly socket: string
  readonly watch: boolean
}

interface UninstallArgs extends Places {
  readonly 'cache-dir': string
  readonly grace: string
}

type PathOption = Options & { readonly type: 'string'; readonly requiresArg: true }

const confDirOption: PathOption & { readonly default: string } = {
  type: 'string',
  default: '/etc/cni/net.d',
  describe: "The container runtime's CNI configurations",
  requiresArg: true,
}

const binDirOption: PathOption & { readonly default: string } = {
  type: 'string',
  default: knownBinDirs.join(':'),
  defaultDescription: 'where distributions have them',
  describe: "The container runtime's CNI plugins; several as in CNI_PATH, with colons",
  requiresArg: true,
}

const stateOption: PathOption & { readonly default: string } = {
  type: 'string',
  default: chainStatePath,
  describe: 'The file in which --watch reports its state to the agent and `doctor`',
  requiresArg: true,
}

const placeOptions = {
  'conf-dir': confDirOption,
  'bin-dir': binDirOption,
  state: stateOption,
} as const

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
          'runtime uses. New pods are then enrolled before their first process runs. Nothing else of the file changes. ' +
          'A file with a single plugin stays as it is: a list of its own stands beside it.',
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
    const binary = new PluginBinary(join(packageRoot, 'build/cni', pluginType))
    const options: ChainOptions = {
      confDir: args['conf-dir'],
      binDirs: args['bin-dir'].split(':').filter(Boolean),
      entry: {
        type: pluginType,
        ...(args.socket !== defaults.cniSocketPath && { socket: args.socket }),
      },
      provide: (binDir) => binary.provide(binDir),
    }
    if (args.watch) return keepIn(args, options, environment)
    environment.stderr.write(describe(chainIn(options)))
  },
}

function describe({ file, besides, entry, written, doubt }: Chained): string {
  const done =
    entry === 'inserted' ? `chained into ${file}` : written ? 'plugin renewed' : 'already installed'
  const notes = [
    besides && `${file} stands beside ${besides}, and follows it only while --watch runs`,
    doubt,
  ]
  return [done, ...notes.filter((note) => note !== undefined)].map((line) => `${line}\n`).join('')
}

async function keepIn(
  { state: statePath }: InstallArgs,
  options: ChainOptions,
  { stderr, endSignal }: CliEnvironment,
): Promise<void> {
  const end = endSignal()
  const directories = [options.confDir, ...options.binDirs]
  const roots = directories.map(rootOf)
  const ending = new AbortController()
  const ended = AbortSignal.any([end, ending.signal])
  using keeper = new ChainKeeper({
    chainIn: (hold) => {
      const at = directories.findIndex((directory, index) => rootOf(directory) !== roots[index])
      if (at < 0) return chainIn({ ...options, hold })
      // The runtime has no plugin in the new directory, and this process cannot see that one.
      chainOut(options.confDir)
      const error = replaced(directories[at] ?? '')
      ending.abort(error)
      throw error
    },
    log: createLog('info', stderr),
    onState: (state) => writeChainState(statePath, state),
  })
  keeper.start()
  if (!ended.aborted) await once(ended, 'abort')
  // These follow their owners' files only as long as this runs.
  removeBesides(options.confDir)
  writeChainState(statePath, undefined)
  ending.signal.throwIfAborted()
}

function rootOf(directory: string): string | undefined {
  try {
    return mountRootOf(directory)
  } catch {
    // It may come later.
    return undefined
  }
}

function replaced(directory: string): MeshaccelError {
  return new MeshaccelError('the host has replaced the directory that is mounted here', {
    code: 'CNI_DIR_REPLACED',
    operation: `look after ${directory}`,
    hint: 'Start this again; in a container, Kubernetes does, and mounts the new one.',
  })
}

const uninstall: CommandModule<object, UninstallArgs> = {
  command: 'uninstall',
  describe: 'Take the plugin out of the chain; later changes by others stay',
  builder: (yargs) =>
    withHelp(
      yargs.options({
        ...placeOptions,
        'cache-dir': {
          type: 'string',
          default: '/var/lib/cni',
          describe: "The container runtime's records of the pods that it has connected",
          requiresArg: true,
        },
        grace: {
          type: 'string',
          default: '10s',
          describe:
            'How long the runtime may take to connect a pod by the old chain: 500ms, 10s, 1m, or seconds',
          requiresArg: true,
        },
      }),
      {
        usage: 'cni uninstall',
        about:
          'Takes the plugin out of the chain. Its binary goes as well, unless a file still names it, or a runtime may ' +
          'need it to remove pods.',
        examples: [['cni uninstall', 'idempotent']],
      },
    ),
  handler: async (args) => {
    const environment = environmentOf(args)
    requireRoot(environment, 'remove the CNI plugin')
    const graceMs = durationMs('--grace', args.grace, { minMs: 0, maxMs: 86_400_000 })
    const { stderr } = environment
    const { changed, binaries, namedIn, records } = await uninstallPlugin({
      confDir: args['conf-dir'],
      binDirs: args['bin-dir'].split(':').filter(Boolean),
      cacheDir: args['cache-dir'],
      graceMs,
      onWait: () => stderr.write(`waiting ${graceMs / 1000} s for pods that are being connected\n`),
    })
    writeChainState(args.state, undefined)
    if (changed.length > 0) stderr.write(`taken out of ${changed.join(', ')}\n`)
    else if (binaries.length === 0) stderr.write('already uninstalled\n')
    const because = [
      ...namedIn.map((file) => `${file} names it`),
      ...(records > 0 ? [`a runtime may need it to remove ${records} pods`] : []),
    ]
    if (because.length > 0) {
      stderr.write(
        `${pluginType} stays, which does nothing without an agent: ${because.join(', ')}. ` +
          'Run this again when that has changed.\n',
      )
    } else if (binaries.length > 0 && changed.length === 0) {
      stderr.write('the plugin is removed\n')
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
