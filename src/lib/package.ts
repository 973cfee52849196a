import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The directory with package.json. It is the same for a checkout's src/ and for the built dist/src/. */
export const packageRoot: string = findRoot(dirname(fileURLToPath(import.meta.url)))

/** The version in package.json. */
export const version: string = readVersion()

/** The file of a module in src/ that runs as a process of its own, such as `datapath/selftest/self-test-process`. */
export const programFile = (module: string): string =>
  import.meta.url.endsWith('.ts')
    ? join(packageRoot, 'src', `${module}.ts`)
    : join(packageRoot, 'dist/src', `${module}.js`)

function findRoot(start: string): string {
  let directory = start
  while (!existsSync(join(directory, 'package.json'))) {
    const parent = dirname(directory)
    if (parent === directory) throw new Error(`no package.json above ${start}`)
    directory = parent
  }
  return directory
}

function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'))
  if (typeof manifest === 'object' && manifest !== null && 'version' in manifest) {
    return String(manifest.version)
  }
  throw new Error('package.json names no version')
}
