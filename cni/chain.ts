import { readdirSync, readFileSync, realpathSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf, messageOf } from '../src/errno.ts'
import { MeshaccelError } from '../src/errors.ts'
import {
  firstNetwork,
  hasPlugin,
  listOf,
  withoutPlugin,
  withPlugin,
  type ConfFile,
  type PluginEntry,
} from './conflist.ts'
import { replaceFile } from './replace-file.ts'

/** The end of the name under which a single-plugin file waits for our leaving; runtimes do not read it. */
const savedSuffix = '.meshaccel-saved'
const confMode = 0o644

/**
 * Sees to it that the network that the runtime uses has our entry. Returns the name of the file that was changed;
 * undefined when it has been in place. A file with a single plugin becomes a list of the same name.
 *
 * Throws NO_CNI_NETWORK while there is none, CNI_CONF_CHANGING when another writer gets in between each time.
 */
export function chainIn(confDir: string, entry: PluginEntry): string | undefined {
  return settled(() => {
    const network = firstNetwork(confFiles(confDir))
    if (!network) {
      throw new MeshaccelError(`no network is configured in ${confDir}`, {
        code: 'NO_CNI_NETWORK',
        operation: 'chain the CNI plugin',
        hint: "Install the cluster's network first, or name its directory with --conf-dir.",
        retryable: true,
      })
    }
    const { name, text } = network
    const path = join(confDir, name)
    if (name.endsWith('.conflist')) {
      const content = withPlugin(text, entry)
      return content === text ? undefined : replaceIn(path, text, content, name)
    }
    const listName = listNameOf(name)
    const content = withPlugin(listOf(text), entry)
    const there = readIfThere(join(confDir, listName))
    if (there !== undefined && !hasPlugin(there)) throw inTheWay(join(confDir, listName), name)
    // At each moment there is a file that connects pods: the single one until the list is there.
    replaceFile({ path: join(confDir, listName), content, mode: confMode })
    renameSync(path, path + savedSuffix)
    return listName
  })
}

/** Somebody's list that the runtime does not use and that ours must not replace. */
function inTheWay(path: string, single: string): MeshaccelError {
  return new MeshaccelError(`${path} is in the way`, {
    code: 'CNI_CONF_IN_THE_WAY',
    operation: `make a list of ${single}`,
    hint: `Remove whichever of the two is not meant; runtimes use ${single}.`,
  })
}

/** Takes our entry out of every file, and puts single-plugin files back; returns the names that were changed. */
export function chainOut(confDir: string): string[] {
  const lists = confFiles(confDir).filter(({ text }) => hasPlugin(text))
  const changed = lists.flatMap(({ name }) =>
    settled(() => {
      const path = join(confDir, name)
      const text = readIfThere(path)
      if (text === undefined) return []
      const content = withoutPlugin(text)
      return content === text ? [] : replaceIn(path, text, content, [name])
    }),
  )
  return [...changed, ...putBack(confDir)]
}

/** A list that has nothing but the single plugin it was made of gives way to that plugin's file. */
function putBack(confDir: string): string[] {
  const saved = list(confDir).filter((name) => name.endsWith(savedSuffix))
  return saved.flatMap((name) => {
    const single = name.slice(0, -savedSuffix.length)
    const asList = join(confDir, listNameOf(single))
    const savedPath = join(confDir, name)
    if (readIfThere(asList) !== listOf(readFileSync(savedPath, 'utf8'))) {
      // Others have changed it since: the list is the truth now.
      rmSync(savedPath)
      return []
    }
    renameSync(savedPath, join(confDir, single))
    rmSync(asList)
    return [single]
  })
}

function listNameOf(name: string): string {
  return name.replace(/\.(?:conf|json)$/, '.conflist')
}

/** Marks that another writer was faster. */
const retry = Symbol('retry')

function replaceIn<T>(path: string, expected: string, content: string, done: T): T | typeof retry {
  // A symlink stays one.
  const real = realpathSync(path)
  return replaceFile({ path: real, content, mode: confMode, expected }) ? done : retry
}

/** Reads and edits again when another writer got in between. */
function settled<T>(edit: () => T | typeof retry): T {
  for (let attempt = 0; attempt < 10; attempt++) {
    try {
      const result = edit()
      if (result !== retry) return result
    } catch (error) {
      // A file was renamed or removed between the look and the edit.
      if (errnoOf(error) !== 'ENOENT') throw error
    }
  }
  throw new MeshaccelError('others keep changing it', {
    code: 'CNI_CONF_CHANGING',
    operation: 'edit the CNI configuration',
    retryable: true,
  })
}

function confFiles(confDir: string): ConfFile[] {
  return list(confDir)
    .filter((name) => /\.(?:conf|conflist|json)$/.test(name))
    .flatMap((name) => {
      const text = readIfThere(join(confDir, name))
      return text === undefined ? [] : [{ name, text }]
    })
}

function list(confDir: string): string[] {
  try {
    return readdirSync(confDir).toSorted()
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw new MeshaccelError(messageOf(error), {
      code: 'BAD_CNI_DIR',
      operation: `read the CNI directory ${confDir}`,
      cause: error,
    })
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'EISDIR') return undefined
    throw error
  }
}
