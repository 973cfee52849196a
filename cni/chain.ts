import { statSync } from 'node:fs'
import { join } from 'node:path'
import { isExplained } from '../src/lib/errors.ts'
import { choose } from './choose.ts'
import {
  besideName,
  chainOut,
  othersIn,
  readConfDir,
  removeBesides,
  retry,
  rewrite,
  settled,
} from './conf-dir.ts'
import {
  hasOnlyOurs,
  hasPlugin,
  listFor,
  namesPlugin,
  withoutPlugin,
  withPlugin,
  type PluginEntry,
} from './conflist.ts'
import type { ConfFile } from './network.ts'
import { replaceFile } from './replace-file.ts'

export interface ChainOptions {
  readonly confDir: string
  /** Where the runtime may look for plugins. */
  readonly binDirs: readonly string[]
  readonly entry: PluginEntry
  /** Installs the plugin in a directory. Returns whether it was missing. Throws if it cannot install it. */
  readonly provide: (binDir: string) => boolean
  /** Does not insert our entry into a network that lacks it: another program removes it each time. */
  readonly hold?: boolean
}

export interface Chained {
  /** The file that has our entry, or would have it without `hold`. */
  readonly file: string
  /** The owner's file, if our entry is in a list beside it. */
  readonly besides?: string
  /** `inserted`: just now. `there`: it already was. `held`: it is held back. */
  readonly entry: 'inserted' | 'there' | 'held'
  /** Whether this call wrote a file or the plugin. */
  readonly written: boolean
  /** A sentence that says why the runtime may use another network. */
  readonly doubt?: string
}

/**
 * Ensures that the runtime's network has our entry, and that the plugin is where the runtime looks. If that is
 * impossible, it removes our entry from all networks and throws:
 *
 * - NO_CNI_NETWORK if there is no network
 * - CNI_PLUGINS_ELSEWHERE if no directory has the network's other plugins
 * - CNI_UNCHAINABLE if the runtime would refuse the network with our entry
 * - CNI_BIN_DIR if the plugin cannot be installed
 * - CNI_CONF_CHANGING if another program keeps writing the files
 */
export function chainIn(options: ChainOptions): Chained {
  try {
    return settled(() => chainOnce(options))
  } catch (error) {
    chainOut(options.confDir)
    throw error
  }
}

function chainOnce(options: ChainOptions): Chained | typeof retry {
  const { confDir } = options
  const files = readConfDir(confDir)
  const others = othersIn(files)
  for (const file of others) {
    // Its owner has removed all other plugins. With our entry alone it would pass for a network that connects nothing.
    if (hasOnlyOurs(file.text)) rewrite(confDir, file, withoutPlugin(file.text))
  }
  return chainFirst(options, files, others)
}

/** Inserts our entry into the network that a runtime would use if only these files existed. */
function chainFirst(
  options: ChainOptions,
  files: readonly ConfFile[],
  others: readonly ConfFile[],
): Chained | typeof retry {
  const { confDir, binDirs, provide } = options
  const choice = choose(others, confDir, binDirs)
  const { file, single } = choice.network
  // The binary comes first: a chain with a missing plugin starts no pod.
  const renewed = choice.binDirs.map((binDir) => provide(binDir)).includes(true)
  if (namesPlugin(file.text) && !hasPlugin(file.text)) {
    // A meta-plugin embeds a chain with our entry. It may have copied the entry from our list and follow that list.
    const rest = others.slice(others.indexOf(file) + 1)
    const embedded = ifThereIsOne(() => chainFirst(options, files, rest))
    if (embedded === retry) return retry
    if (!embedded) removeBesides(confDir)
    return { file: file.name, entry: 'there', written: renewed || (embedded?.written ?? false) }
  }
  removeBesides(confDir, single ? [besideName(file.name)] : [])
  const done = single ? besides(options, file, files) : within(options, file)
  if (done === retry) return retry
  const doubt = choice.doubt === undefined ? {} : { doubt: choice.doubt }
  return { ...done, written: done.written || renewed, ...doubt }
}

/** Returns undefined if no network can take our entry. */
function ifThereIsOne<T>(chain: () => T): T | undefined {
  try {
    return chain()
  } catch (error) {
    if (isExplained(error) && networkErrors.includes(error.code)) return undefined
    throw error
  }
}

const networkErrors: readonly string[] = [
  'NO_CNI_NETWORK',
  'CNI_PLUGINS_ELSEWHERE',
  'CNI_UNCHAINABLE',
]

function within({ confDir, entry, hold }: ChainOptions, file: ConfFile): Chained | typeof retry {
  const had = hasPlugin(file.text)
  if (hold && !had) return { file: file.name, entry: 'held', written: false }
  const content = withPlugin(file.text, entry)
  const written = content !== file.text
  if (written && !rewrite(confDir, file, content)) return retry
  return { file: file.name, entry: had ? 'there' : 'inserted', written }
}

/** Writes the list that replaces a single plugin, with the mode and owner of that plugin's file. */
function besides(
  { confDir, entry, hold }: ChainOptions,
  single: ConfFile,
  files: readonly ConfFile[],
): Chained | typeof retry {
  const name = besideName(single.name)
  const older = files.find((file) => file.name === name)
  const had = older !== undefined && hasPlugin(older.text)
  if (hold && !had) {
    // Another program removed our entry from the list, so the list is useless.
    removeBesides(confDir)
    return { file: name, besides: single.name, entry: 'held', written: false }
  }
  const path = join(confDir, name)
  const like = join(confDir, single.name)
  const content = listFor(single.text, entry, older?.text)
  const written = older?.text !== content || !isLike(path, like)
  if (written) {
    const expected = older ? { expected: Buffer.from(older.text, 'latin1') } : {}
    if (!replaceFile({ path, like, content: Buffer.from(content, 'latin1'), ...expected }))
      return retry
  }
  // Its owner may have changed or removed the file meanwhile. Then the list must change, too.
  const now = readConfDir(confDir).find((file) => file.name === single.name)
  if (now?.text !== single.text) return retry
  return { file: name, besides: single.name, entry: had ? 'there' : 'inserted', written }
}

function isLike(path: string, model: string): boolean {
  const [a, b] = [statSync(path), statSync(model)]
  return a.mode === b.mode && a.uid === b.uid && a.gid === b.gid
}
