import { accessSync, constants, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf, messageOf } from '../src/lib/errno.ts'
import { MeshaccelError } from '../src/lib/errors.ts'
import { pluginType } from './conflist.ts'
import { replaceFile, temporaryName } from './replace-file.ts'

/** Installs the plugin where the runtime looks for it, and keeps it there. */
export class PluginBinary {
  readonly #content: Buffer
  /** The state of the file when its content was last compared, by directory. */
  readonly #seen = new Map<string, string>()

  constructor(source: string) {
    this.#content = readFileSync(source)
  }

  /** Installs the plugin. Returns whether it was missing. Throws CNI_BIN_DIR if it cannot be installed. */
  provide(binDir: string): boolean {
    const path = join(binDir, pluginType)
    const state = stateOf(path)
    if (state !== undefined && state === this.#seen.get(binDir)) return false
    try {
      const isThere = this.#isThere(path)
      // Replaces by rename, because the old plugin may be running.
      if (!isThere) replaceFile({ path, content: this.#content, mode: 0o755 })
      this.#seen.set(binDir, stateOf(path) ?? '')
      return !isThere
    } catch (error) {
      throw new MeshaccelError(messageOf(error), {
        code: 'CNI_BIN_DIR',
        operation: `put the CNI plugin into ${binDir}`,
        hint: 'It must be writable, and have some kilobytes left. Pods are enrolled without the plugin, after they start.',
        retryable: true,
        cause: error,
      })
    }
  }

  #isThere(path: string): boolean {
    try {
      accessSync(path, constants.X_OK)
      return readFileSync(path).equals(this.#content)
    } catch {
      return false
    }
  }
}

/** Removes the plugin. Returns whether it existed. */
export function removeBinary(binDir: string): boolean {
  const path = join(binDir, pluginType)
  const was = stateOf(path) !== undefined
  rmSync(path, { force: true })
  const unfinished = readdirSync(binDir).filter(
    (name) => name.startsWith(`.${pluginType}.`) && temporaryName.test(name),
  )
  for (const name of unfinished) rmSync(join(binDir, name), { force: true })
  return was
}

function stateOf(path: string): string | undefined {
  try {
    const { ino, size, mode, mtimeMs, ctimeMs } = statSync(path)
    return [ino, size, mode, mtimeMs, ctimeMs].join(' ')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined
    throw error
  }
}
