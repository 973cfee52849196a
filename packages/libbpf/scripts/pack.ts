/** Makes the package for npm, JavaScript with types, and its tarball: `npm run pack --workspace libbpf`. */
import { execFileSync } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join, resolve } from 'node:path'

const home = new URL('..', import.meta.url).pathname
const root = join(home, '../..')

/** A package.json, as far as this script looks at it. */
interface Manifest {
  name: string
  version: string
  exports: Record<string, string>
  bin?: Record<string, string>
  scripts?: unknown
  private?: unknown
  repository?: unknown
  [field: string]: unknown
}

const readManifest = (path: string): Manifest =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- both files are this repository's
  JSON.parse(readFileSync(path, 'utf8')) as Manifest

/** `./src/index.ts` as the package has it: `./dist/index` */
const built = (source: string): string =>
  source.replace(/^\.\/src\//, './dist/').replace(/\.ts$/, '')

/** The manifest for npm: it points to what is compiled, and has nothing that only this repository can use. */
function publishedManifest(): object {
  const { scripts: _scripts, private: _private, ...own } = readManifest(join(home, 'package.json'))
  const { repository } = readManifest(join(root, 'package.json'))
  const exports: Record<string, object | string> = { './package.json': './package.json' }
  for (const [name, source] of Object.entries(own.exports)) {
    exports[name] = { types: `${built(source)}.d.ts`, default: `${built(source)}.js` }
  }
  const bin: Record<string, string> = {}
  for (const [name, source] of Object.entries(own.bin ?? {})) bin[name] = `${built(source)}.js`
  return {
    ...own,
    ...(repository === undefined ? {} : { repository }),
    ...(own.bin === undefined ? {} : { bin }),
    exports,
    files: ['dist', 'examples', 'CHANGELOG.md'],
  }
}

/** Fills an empty directory with the package. */
function build(directory: string): void {
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const options = ['-p', join(home, 'tsconfig.build.json'), '--outDir', directory]
  execFileSync(process.execPath, [tsc, ...options], { stdio: 'inherit' })
  renameSync(join(directory, 'src'), join(directory, 'dist'))
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    const path = join(directory, name)
    if (name.startsWith('examples/') && name.endsWith('.d.ts')) rmSync(path)
    else if (name.endsWith('.d.ts')) {
      // The compiler leaves `./x.ts` in declarations, and the package has no such file.
      const text = readFileSync(path, 'utf8')
      writeFileSync(path, text.replaceAll(/(['"])(\.{1,2}\/[^'"]+)\.ts\1/g, '$1$2.js$1'))
    }
  }
  cpSync(join(home, 'examples'), join(directory, 'examples'), {
    recursive: true,
    filter: (path) => !/\.bpf\.o$|vmlinux\.h$|\.gitignore$/.test(path),
  })
  for (const name of ['README.md', 'CHANGELOG.md']) cpSync(join(home, name), join(directory, name))
  cpSync(join(root, 'LICENSE'), join(directory, 'LICENSE'))
  const manifest = JSON.stringify(publishedManifest(), undefined, 2)
  writeFileSync(join(directory, 'package.json'), `${manifest}\n`)
}

const out = resolve(process.argv[2] ?? join(root, 'build/libbpf'))
const directory = join(out, 'package')
rmSync(directory, { recursive: true, force: true })
mkdirSync(directory, { recursive: true })
build(directory)
execFileSync('npm', ['pack', '--silent', '--pack-destination', out], {
  cwd: directory,
  stdio: ['ignore', 'ignore', 'inherit'],
})
const { name, version } = readManifest(join(directory, 'package.json'))
console.log(join(out, `${name}-${version}.tgz`))
