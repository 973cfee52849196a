import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../src/lib/errno.ts'
import { isExplained, MeshaccelError } from '../src/lib/errors.ts'
import { readNetwork, type ConfFile, type Network } from './network.ts'
import { directoriesWith, missingFrom } from './plugin-dirs.ts'

export interface Choice {
  readonly network: Network
  /** Every directory that has the network's plugins. */
  readonly binDirs: readonly string[]
  /** A sentence that says why the runtime may use another network. */
  readonly doubt?: string
}

/**
 * The network that the runtime uses, from the files that it reads, in its order. containerd uses the first file or
 * none. CRI-O uses the first file that it can read and whose plugins exist. So one of the two uses the network that
 * this finds. For the other the result makes no difference.
 */
export function choose(
  files: readonly ConfFile[],
  confDir: string,
  binDirs: readonly string[],
): Choice {
  const unreadable: string[] = []
  let elsewhere: Network | undefined
  for (const file of files) {
    const network = readIfUsable(file, confDir, unreadable)
    if (!network) continue
    const found = directoriesWith(network.types, binDirs)
    if (found.length === 0) {
      elsewhere ??= network
      continue
    }
    if (network.unchainable !== undefined) throw unchainable(file, network.unchainable)
    if (!elsewhere) return { network, binDirs: found }
    return { network, binDirs: found, doubt: `${whatIsMissing(elsewhere, binDirs)} ${hint}` }
  }
  if (elsewhere) {
    throw new MeshaccelError(whatIsMissing(elsewhere, binDirs), {
      code: 'CNI_PLUGINS_ELSEWHERE',
      operation: `chain the CNI plugin into ${elsewhere.file.name}`,
      hint,
      retryable: true,
    })
  }
  const because = unreadable.length > 0 ? `: ${unreadable.join('; ')}` : ''
  throw new MeshaccelError(`no network is configured in ${confDir}${because}`, {
    code: 'NO_CNI_NETWORK',
    operation: 'chain the CNI plugin',
    hint: "Install the cluster's network first, or name its directory with --conf-dir.",
    retryable: true,
  })
}

const hint =
  'The container runtime looks for plugins elsewhere: name that directory with --bin-dir (in the chart: cni.binDir).'

function whatIsMissing({ file, types }: Network, binDirs: readonly string[]): string {
  const missing = binDirs.map((directory) => `${directory} has no ${missingFrom(directory, types)}`)
  return `${file.name} runs plugins that are not there: ${missing.join(', ')}.`
}

function unchainable({ name }: ConfFile, why: string): MeshaccelError {
  return new MeshaccelError(why, {
    code: 'CNI_UNCHAINABLE',
    operation: `chain the CNI plugin into ${name}`,
    hint: 'Pods are enrolled without the plugin, up to a second after their start.',
  })
}

function readIfUsable(file: ConfFile, confDir: string, unreadable: string[]): Network | undefined {
  try {
    const network = readNetwork(file)
    if (network.types.length > 0 || hasPluginFiles(join(confDir, network.name))) return network
    unreadable.push(`${file.name} has no plugins`)
  } catch (error) {
    if (!isExplained(error)) throw error
    unreadable.push(`${file.name}: ${messageOf(error)}`)
  }
  return undefined
}

/** Since libcni 1.3 the plugins of a list may be files in a directory beside it. */
function hasPluginFiles(directory: string): boolean {
  try {
    return readdirSync(directory).some((name) => name.endsWith('.conf'))
  } catch {
    return false
  }
}
