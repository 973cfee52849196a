import { lstatSync, readdirSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { errnoOf, messageOf } from '../src/lib/errno.ts'
import { MeshaccelError } from '../src/lib/errors.ts'
import { hasPlugin, namesPlugin, withoutPlugin } from './conflist.ts'
import { inOrder, type ConfFile } from './network.ts'
import { replaceFile, temporaryName } from './replace-file.ts'

/** No configuration is larger. A larger file would be expensive to read each second. */
const maxBytes = 4 << 20

/**
 * The name of the list that replaces a file with a single plugin. A runtime reads the list just before that file. The
 * name begins with the file's name and contains it again whole. Multus distinguishes its own file by that.
 */
export function besideName(single: string): string {
  const stem = single.replace(/\.(?:conf|json)$/, '')
  return `${stem}-meshaccel-${stem}.conflist`
}

/**
 * Whether a file is such a list. Unless `exactly`, the name may have another suffix, because another program has set
 * the file aside.
 */
export function isBeside(name: string, exactly = true): boolean {
  const [, , rest] = /^(.+)-meshaccel-\1\.conflist(.*)$/s.exec(name) ?? []
  return rest !== undefined && (rest === '' || !exactly)
}

/** All files directly in the directory, as they are now. */
export function readConfDir(confDir: string): ConfFile[] {
  return namesIn(confDir).flatMap((name) => {
    const content = readIfFile(join(confDir, name))
    return content === undefined ? [] : [{ name, text: content.toString('latin1') }]
  })
}

/** The files that a runtime reads, without our own lists, in its order. */
export function othersIn(files: readonly ConfFile[]): ConfFile[] {
  return inOrder(files).filter(({ name }) => !isBeside(name))
}

/** Writes a file if its content is still the one that was read. Keeps a symlink. */
export function rewrite(confDir: string, { name, text }: ConfFile, content: string): boolean {
  const path = realpathSync(join(confDir, name))
  return replaceFile({
    path,
    content: Buffer.from(content, 'latin1'),
    expected: Buffer.from(text, 'latin1'),
  })
}

/** The result that means: another writer was faster. */
export const retry: unique symbol = Symbol('retry')

/** Repeats an edit if another writer interfered. Throws CNI_CONF_CHANGING if that happens each time. */
export function settled<T>(edit: () => T | typeof retry): T {
  for (let attempt = 0; attempt < 10; attempt++) {
    try {
      const result = edit()
      if (result !== retry) return result
    } catch (error) {
      // A file was renamed or removed between the read and the edit.
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

/** Removes our lists except those named in `keep`. Returns the names of the removed ones. */
export function removeBesides(confDir: string, keep: readonly string[] = []): string[] {
  const lists = namesIn(confDir).filter((name) => isBeside(name) && !keep.includes(name))
  for (const name of lists) rmSync(join(confDir, name), { force: true })
  return lists
}

/**
 * Removes our entry from every list, and removes our own lists. Returns the names of changed files. Files that others
 * have set aside come first, because Cilium creates its file from them. A meta-plugin's embedded chain stays: it
 * belongs to that plugin.
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

/** The files at any depth that name our plugin in any way, as paths relative to the directory. */
export function namedIn(confDir: string): string[] {
  return filesBelow(confDir, 4)
    .filter((path) => namesPlugin(readIfFile(path)?.toString('latin1') ?? ''))
    .map((path) => relative(confDir, path))
}

/**
 * Counts the records below a directory that name our plugin. libcni keeps the chain of each pod as base64. Meta-plugins
 * such as Multus have their own records. The runtime uses them to disconnect a pod, which needs the binary.
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

/** Returns undefined if the path is gone, too large, or not a file: reading from a FIFO would never end. */
function readIfFile(path: string): Buffer | undefined {
  try {
    const stat = statSync(path)
    return stat.isFile() && stat.size <= maxBytes ? readFileSync(path) : undefined
  } catch (error) {
    if (['ENOENT', 'ELOOP', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return undefined
    throw error
  }
}
