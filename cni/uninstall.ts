import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { PluginBinary, removeBinary } from './binary.ts'
import { chainOut, namedIn, recordsIn } from './conf-dir.ts'
import { pluginType } from './conflist.ts'

export interface UninstallOptions {
  readonly confDir: string
  readonly binDirs: readonly string[]
  /** libcni's records of the pods that it has connected, and those of meta-plugins. */
  readonly cacheDir: string
  /** How long a runtime may take to connect a pod by the chain that it has read before. */
  readonly graceMs: number
  /** Told before that time is waited. */
  readonly onWait: () => void
}

interface Named {
  /** The files that still name the plugin, so that it stays. */
  readonly namedIn: readonly string[]
  /** How many records of pods do. */
  readonly records: number
}

export interface Uninstalled extends Named {
  /** The files that were changed or removed. */
  readonly changed: readonly string[]
  /** The directories that had the plugin. */
  readonly binaries: readonly string[]
}

const isNamed = ({ namedIn: files, records }: Named): boolean => files.length > 0 || records > 0

/** Takes our entry out of every list. The binary goes, too, unless something that is left names it. */
export async function uninstall(options: UninstallOptions): Promise<Uninstalled> {
  const { confDir, binDirs, cacheDir, graceMs, onWait } = options
  const changed = chainOut(confDir)
  const binaries = binDirs.filter((binDir) => existsSync(join(binDir, pluginType)))
  const named = (): Named => ({ namedIn: namedIn(confDir), records: recordsIn(cacheDir) })
  let before = named()
  // Also when nothing was changed now: the keeper may have taken its own list along a moment ago.
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
  // A meta-plugin may have written its file since, of what it had read before.
  const after = named()
  if (isNamed(after)) for (const [binDir, binary] of kept) binary.provide(binDir)
  return { changed, binaries, ...after }
}
