import { lstatSync, readdirSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { errnoOf, messageOf } from '../src/lib/errno.ts'
import { MeshaccelError } from '../src/lib/errors.ts'
import { hasPlugin, namesPlugin, withoutPlugin } from './conflist.ts'
import { inOrder, type ConfFile } from './network.ts'
import { replaceFile, temporaryName } from './replace-file.ts'

/** No configuration is larger; what is may not be read again each second. */
const maxBytes = 4 << 20

/**
 * The name of the list that stands for a file with a single plugin. A runtime reads it just before that file. It begins
 * with the file's name and contains it whole, because that is how Multus tells its own file from the others.
 */
export function besideName(single: string): string {
  const stem = single.replace(/\.(?:conf|json)$/, '')
  return `${stem}-meshaccel-${stem}.conflist`
}

/** Whether a file is such a list; also one that another program has set aside, under a name with another end. */
export function isBeside(name: string, exactly = true): boolean {
  const [, , rest] = /^(.+)-meshaccel-\1\.conflist(.*)$/s.exec(name) ?? []
  return rest !== undefined && (rest === '' || !exactly)
}

/** All files right in the directory, as they are now. */
export function readConfDir(confDir: string): ConfFile[] {
  return namesIn(confDir).flatMap((name) => {
    const content = readIfFile(join(confDir, name))
    return content === undefined ? [] : [{ name, text: content.toString('latin1') }]
  })
}

/** The files that a runtime reads, but for our own lists, in its order. */
export function othersIn(files: readonly ConfFile[]): ConfFile[] {
  return inOrder(files).filter(({ name }) => !isBeside(name))
}

/** Writes a file if it still holds what was read; a symlink stays one. */
export function rewrite(confDir: string, { name, text }: ConfFile, content: string): boolean {
  const path = realpathSync(join(confDir, name))
  return replaceFile({
    path,
    content: Buffer.from(content, 'latin1'),
    expected: Buffer.from(text, 'latin1'),
  })
}

/** Marks that another writer was faster. */
export const retry: unique symbol = Symbol('retry')

/** Reads and edits again when another writer got in between. Throws CNI_CONF_CHANGING when one does each time. */
export function settled<T>(edit: () => T | typeof retry): T {
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
    hint: 'Another program rewrites the files all the time. Find it, or try again.',
    retryable: true,
  })
}

/** Removes our lists that stand beside no file of these names; returns their names. */
export function removeBesides(confDir: string, keep: readonly string[] = []): string[] {
  const lists = namesIn(confDir).filter((name) => isBeside(name) && !keep.includes(name))
  for (const name of lists) rmSync(join(confDir, name), { force: true })
  return lists
}

/**
 * Takes our entry out of every list, and removes our own; returns the names of what was changed. Files that others have
 * set aside come first: Cilium makes its file of them. What a meta-plugin embeds is that plugin's.
 */
export function chainOut(confDir: string): string[] {
  const removed = namesIn(confDir).filter((name) => isBeside(name, false))
  const unfinished = namesIn(confDir).filter((name) => temporaryName.test(name))
  for (const name of [...removed, ...unfinished]) rmSync(join(confDir, name), { force: true })
  const files = readConfDir(confDir)
  const active = new Set(inOrder(files))
  const inTurn = [...files.filter((file) => !active.has(file)), ...active]
  const edited = inTurn
    .filter(({ text }) => hasPlugin(text))
    .filter(({ name }) =>
      settled(() => {
        const file = readConfDir(confDir).find((one) => one.name === name)
        if (!file || !hasPlugin(file.text)) return false
        return rewrite(confDir, file, withoutPlugin(file.text)) || retry
      }),
    )
  return [...edited.map(({ name }) => name), ...removed]
}

/** The files at any depth that name our plugin, however they do, as paths below the directory. */
export function namedIn(confDir: string): string[] {
  return filesBelow(confDir, 4)
    .filter((path) => namesPlugin(readIfFile(path)?.toString('latin1') ?? ''))
    .map((path) => relative(confDir, path))
}

/**
 * How many of the records below a directory name our plugin: libcni's, which keep the chain of each pod as base64, and
 * those of meta-plugins, Multus' among them. A pod is disconnected by them, which needs the binary.
 */
export function recordsIn(cacheDir: string): number {
  return filesBelow(cacheDir, 4).filter((path) => {
    const text = readIfFile(path)?.toString('latin1') ?? ''
    return namesPlugin(text) || namesPlugin(configurationOf(text))
  }).length
}

function configurationOf(cached: string): string {
  const [, base64] = /"config"\s*:\s*"([A-Za-z0-9+/=]*)"/.exec(cached) ?? []
  return Buffer.from(base64 ?? '', 'base64').toString('latin1')
}

function filesBelow(directory: string, depth: number): string[] {
  return namesIn(directory).flatMap((name) => {
    const path = join(directory, name)
    const isDirectory = lstatSync(path, { throwIfNoEntry: false })?.isDirectory()
    if (isDirectory) return depth > 0 ? filesBelow(path, depth - 1) : []
    return [path]
  })
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).toSorted()
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw new MeshaccelError(messageOf(error), {
      code: 'BAD_CNI_DIR',
      operation: `read the CNI directory ${directory}`,
      hint: 'Name the directory with --conf-dir or --cache-dir.',
      cause: error,
    })
  }
}

/** Undefined for what is gone, too large, or no file at all: reading from a FIFO would never end. */
function readIfFile(path: string): Buffer | undefined {
  try {
    const stat = statSync(path)
    return stat.isFile() && stat.size <= maxBytes ? readFileSync(path) : undefined
  } catch (error) {
    if (['ENOENT', 'ELOOP', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return undefined
    throw error
  }
}
