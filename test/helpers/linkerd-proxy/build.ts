import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildSync } from 'esbuild'
import { runnableBy } from '../../../bench/proxies/executable.ts'
import { packageRoot } from '../../../src/lib/package.ts'
import { compile } from '../compile.ts'

/** Builds the stand-in for linkerd2-proxy, for the user `uid`, who can enter the directory. Returns its path. */
export function buildLinkerdProxy(directory: string, uid: number): string {
  const { outputFiles } = buildSync({
    entryPoints: [join(packageRoot, 'test/helpers/linkerd-proxy/main.ts')],
    bundle: true,
    platform: 'node',
    // A file without a suffix is CommonJS.
    format: 'cjs',
    target: 'node20',
    write: false,
  })
  const node = runnableBy(uid, process.execPath, directory)
  const path = join(directory, 'linkerd2-proxy')
  writeFileSync(path, `#!${node}\n${outputFiles[0]?.text ?? ''}`)
  chmodSync(path, 0o755)
  compile('helpers/linkerd-proxy/forward.c', 'forward', directory)
  return path
}
