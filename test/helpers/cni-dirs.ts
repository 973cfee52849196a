import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  mkdirSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { PluginBinary } from '../../cni/binary.ts'
import { chainIn, type Chained } from '../../cni/chain.ts'
import { pluginType } from '../../cni/conflist.ts'
import { cniPlugin } from './cni-plugin.ts'

/** The CNI directories of a node on which no pod is started. */
export interface CniDirs {
  readonly conf: string
  readonly bin: string
}

/** Creates the directories, with files that count as plugins. */
export function nodeWith(
  t: Test,
  conf: Readonly<Record<string, string | Buffer>>,
  plugins: readonly string[],
): CniDirs {
  const root = mkdtempSync(join(tmpdir(), 'cni-dirs-'))
  t.teardown(() => rmSync(root, { recursive: true, force: true }))
  const dirs = { conf: join(root, 'conf'), bin: join(root, 'bin') }
  for (const dir of Object.values(dirs)) mkdirSync(dir)
  for (const [name, text] of Object.entries(conf)) writeFileSync(join(dirs.conf, name), text)
  for (const type of plugins) writeFileSync(join(dirs.bin, type), '', { mode: 0o755 })
  return dirs
}

/** Inserts our plugin into the chain, as the keeper does at each check. */
export function chain(
  { conf, bin }: CniDirs,
  hold = false,
  binary: PluginBinary = new PluginBinary(cniPlugin),
): Chained {
  return chainIn({
    confDir: conf,
    binDirs: [bin],
    entry: { type: pluginType },
    provide: (binDir) => binary.provide(binDir),
    hold,
  })
}

/** The content of all files in a directory, by name. */
export function content(directory: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(directory)
      .filter((name) => statSync(join(directory, name)).isFile())
      .map((name) => [name, readFileSync(join(directory, name), 'utf8')]),
  )
}

/** The types of a list's plugins. */
export function types(directory: string, name: string): string[] {
  const list: { plugins: { type: string }[] } = JSON.parse(
    readFileSync(join(directory, name), 'utf8'),
  )
  return list.plugins.map(({ type }) => type)
}
