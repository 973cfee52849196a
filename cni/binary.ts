import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf } from '../src/errno.ts'
import { pluginType } from './conflist.ts'
import { replaceFile } from './replace-file.ts'

/** Puts the plugin where the runtime looks for it; tells whether it was not there yet. */
export function installBinary(source: string, binDir: string): boolean {
  const path = join(binDir, pluginType)
  const content = readFileSync(source)
  mkdirSync(binDir, { recursive: true })
  if (readIfThere(path)?.equals(content)) return false
  // By rename: the old one may be running.
  return replaceFile({ path, content, mode: 0o755 })
}

/** Tells whether there was one. */
export function removeBinary(binDir: string): boolean {
  const path = join(binDir, pluginType)
  const was = readIfThere(path) !== undefined
  rmSync(path, { force: true })
  return was
}

/**
 * How many sandboxes were connected through a chain that has the plugin, by libcni's cache. CRI-O disconnects a pod by
 * the configuration in there: without the binary it could never be removed.
 */
export function attachmentsThrough(cacheDir: string): number {
  const results = join(cacheDir, 'results')
  return list(results).filter((name) => {
    const cached = readIfThere(join(results, name))
    return cached !== undefined && configurationOf(cached).includes(`"${pluginType}"`)
  }).length
}

/** The configuration in a cache file, which libcni keeps as bytes: base64 in JSON. */
function configurationOf(cached: Buffer): string {
  try {
    const info: unknown = JSON.parse(cached.toString())
    if (typeof info !== 'object' || info === null || !('config' in info)) return ''
    return Buffer.from(String(info.config), 'base64').toString()
  } catch {
    return ''
  }
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw error
  }
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}
