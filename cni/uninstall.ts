import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { PluginBinary, removeBinary } from './binary.ts'
import { chainOut, namedIn, recordsIn } from './conf-dir.ts'
import { pluginType } from './conflist.ts'

export interface UninstallOptions {
  readonly confDir: string
  readonly binDirs: readonly string[]
  /** The records of libcni and of meta-plugins about connected pods. */
  readonly cacheDir: string
  /** How long a runtime may need to connect a pod with a chain that it read before. */
  readonly graceMs: number
  /** Called before that wait. */
  readonly onWait: () => void
}

interface Named {
  /** The files that still name the plugin. They keep it from being removed. */
  readonly namedIn: readonly string[]
  /** The number of pod records that name it. */
  readonly records: number
}

export interface Uninstalled extends Named {
  /** The files that were changed or removed. */
  readonly changed: readonly string[]
  /** The directories that had the plugin. */
  readonly binaries: readonly string[]
}

const isNamed = ({ namedIn: files, records }: Named): boolean => files.length > 0 || records > 0

/** Removes our entry from every list. Removes the binary, too, unless a remaining file or record names it. */
export async function uninstall(options: UninstallOptions): Promise<Uninstalled> {
  const { confDir, binDirs, cacheDir, graceMs, onWait } = options
  const changed = chainOut(confDir)
  const binaries = binDirs.filter((binDir) => existsSync(join(binDir, pluginType)))
  const named = (): Named => ({ namedIn: namedIn(confDir), records: recordsIn(cacheDir) })
  let before = named()
  // Waits even if nothing changed now: the keeper may have removed its own list a moment ago.
  if (binaries.length > 0 && !isNamed(before) && graceMs > 0) {
    onWait()
    await delay(graceMs)
    before = named()
  }
  if (isNamed(before)) return { changed, binaries, ...before }
  const kept = binaries.map(
    (binDir) => [binDir, new PluginBinary(join(binDir, pluginType))] as const,
  )
  for (const binDir of binaries) removeBinary(binDir)
  // A meta-plugin may meanwhile have written its file from an older read.
  const after = named()
  if (isNamed(after)) for (const [binDir, binary] of kept) binary.provide(binDir)
  return { changed, binaries, ...after }
}
