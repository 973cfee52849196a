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
  /** Puts the plugin into a directory; tells whether it was not there. Throws when it cannot. */
  readonly provide: (binDir: string) => boolean
  /** Leaves a network without our entry, if it has none: another program takes it out each time. */
  readonly hold?: boolean
}

export interface Chained {
  /** The file that has our entry, or would have it if it were not held. */
  readonly file: string
  /** The owner's file, where ours is a list beside it. */
  readonly besides?: string
  /** Whether our entry was inserted just now, was there, or is held back. */
  readonly entry: 'inserted' | 'there' | 'held'
  /** Whether a file or the plugin had to be written. */
  readonly written: boolean
  /** Why the network may not be the one that the runtime uses, a sentence. */
  readonly doubt?: string
}

/**
 * Ensures that the network that the runtime uses has our entry, and that the plugin is where the runtime looks. Where
 * that cannot be, no network has our entry afterwards, and it throws:
 *
 * - NO_CNI_NETWORK while there is no network
 * - CNI_PLUGINS_ELSEWHERE when no directory has the network's other plugins
 * - CNI_UNCHAINABLE when the runtime would refuse the network with our entry
 * - CNI_BIN_DIR when the plugin cannot be put where it belongs
 * - CNI_CONF_CHANGING when another program writes the files all the time
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
    // Its owner has left it: with our entry alone it would pass for a network, and connect nothing.
    if (hasOnlyOurs(file.text)) rewrite(confDir, file, withoutPlugin(file.text))
  }
  return chainFirst(options, files, others)
}

/** Chains into the network that a runtime would use if it had these files only. */
function chainFirst(
  options: ChainOptions,
  files: readonly ConfFile[],
  others: readonly ConfFile[],
): Chained | typeof retry {
  const { confDir, binDirs, provide } = options
  const choice = choose(others, confDir, binDirs)
  const { file, single } = choice.network
  // First the binary: a chain that names a missing one starts no pod.
  const renewed = choice.binDirs.map((binDir) => provide(binDir)).includes(true)
  if (namesPlugin(file.text) && !hasPlugin(file.text)) {
    // A meta-plugin embeds a chain that has our entry. It may have it from our list, and follow that.
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

/** Undefined when there is no network that could be chained into. */
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

/** Writes the list that stands for a single plugin, with the mode and owner of that plugin's file. */
function besides(
  { confDir, entry, hold }: ChainOptions,
  single: ConfFile,
  files: readonly ConfFile[],
): Chained | typeof retry {
  const name = besideName(single.name)
  const older = files.find((file) => file.name === name)
  const had = older !== undefined && hasPlugin(older.text)
  if (hold && !had) {
    // Another program took our entry out of the list, which nobody needs then.
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
  // Its owner may have written or removed it since: then so does the list.
  const now = readConfDir(confDir).find((file) => file.name === single.name)
  if (now?.text !== single.text) return retry
  return { file: name, besides: single.name, entry: had ? 'there' : 'inserted', written }
}

function isLike(path: string, model: string): boolean {
  const [a, b] = [statSync(path), statSync(model)]
  return a.mode === b.mode && a.uid === b.uid && a.gid === b.gid
}
