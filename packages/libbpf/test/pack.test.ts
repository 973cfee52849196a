import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import tap from 'tap'
import { requireRoot } from './requirements.ts'

const ROOT = new URL('../../../', import.meta.url).pathname
const MODULES = join(ROOT, 'node_modules')

/** Runs Node as a user would: tap has its children load what TypeScript's own loader does not survive. */
function plainNode(args: readonly string[], cwd: string): string {
  const command = ['-u', 'NODE_OPTIONS', process.execPath, ...args]
  return execFileSync('env', command, { cwd, encoding: 'utf8' })
}

/** Packs koffi as the registry has it; returns name and specification of each package for a package.json. */
function packKoffi(into: string): [string, string][] {
  const names = [
    'koffi',
    ...readdirSync(join(MODULES, '@koromix')).map((name) => `@koromix/${name}`),
  ]
  const options = ['--silent', '--ignore-scripts', '--pack-destination', into]
  const paths = names.map((name) => join(MODULES, name))
  const output = execFileSync('npm', ['pack', ...options, ...paths], { encoding: 'utf8' })
  const tarballs = output.trim().split('\n')
  return names.map((name, index) => [name, `file:${join(into, tarballs[index] ?? '')}`])
}

/** A folder with nothing but the packed package and koffi, installed by npm without the network. */
function installPacked(directory: string): string {
  const pack = join(ROOT, 'packages/libbpf/scripts/pack.ts')
  const output = plainNode(['--import=tsx', pack, directory], ROOT)
  const project = join(directory, 'project')
  mkdirSync(project)
  const dependencies: Record<string, string> = { libbpf: `file:${output.trim()}` }
  for (const [name, tarball] of packKoffi(directory)) dependencies[name] = tarball
  writeFileSync(
    join(project, 'package.json'),
    JSON.stringify({ name: 'project', type: 'module', dependencies }),
  )
  const options = ['--offline', '--ignore-scripts', '--no-audit', '--no-fund', '--silent']
  execFileSync('npm', ['install', ...options], { cwd: project })
  return project
}

if (requireRoot(tap)) {
  const directory = mkdtempSync(join(tmpdir(), 'libbpf-test-pack-'))
  tap.teardown(() => rmSync(directory, { recursive: true }))

  void tap.test('the package for npm, installed into an empty folder', async (t) => {
    const project = installPacked(directory)
    const installed = join(project, 'node_modules/libbpf')

    const manifest = readFileSync(join(installed, 'package.json'), 'utf8')
    t.notMatch(manifest, /src\/|workspace|tsx|"scripts"|"private"/)
    const names = readdirSync(installed, { recursive: true, encoding: 'utf8' })
    for (const name of ['README.md', 'CHANGELOG.md', 'LICENSE', 'examples/tasks.bpf.c']) {
      t.ok(names.includes(name), name)
    }
    t.strictSame(
      names.filter((name) => /^src|^test|\.bpf\.o$|vmlinux\.h$/.test(name)),
      [],
    )
    for (const name of names.filter((file) => file.startsWith('dist/') && file.includes('.'))) {
      t.notMatch(readFileSync(join(installed, name), 'utf8'), /from ['"]\.[^'"]*\.ts['"]/, name)
      if (name.endsWith('.js')) t.ok(existsSync(join(installed, name.replace(/js$/, 'd.ts'))))
    }

    cpSync(join(installed, 'examples'), join(project, 'examples'), { recursive: true })
    execFileSync('sh', [join(project, 'examples/build.sh')])
    const output = plainNode(['examples/tasks.js'], project)
    const own = new RegExp(`^ *${process.pid} +\\d+ \\S`, 'm')
    t.match(output, own, 'an example runs by plain node, and lists this process')

    const command = join(project, 'node_modules/.bin/bpf2ts')
    t.match(execFileSync(command, ['--help'], { encoding: 'utf8' }), /^bpf2ts OBJECT /)

    const readme = readFileSync(join(installed, 'README.md'), 'utf8')
    const shown = /```ts\n(import [^]*?)```/.exec(readme)?.[1] ?? 'the README shows nothing'
    writeFileSync(join(project, 'readme.ts'), shown)
    writeFileSync(
      join(project, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: {
          module: 'nodenext',
          target: 'es2022',
          lib: ['es2023', 'esnext.disposable'],
          strict: true,
          noEmit: true,
          typeRoots: [join(MODULES, '@types')],
          types: ['node'],
        },
        include: ['readme.ts', 'examples/*.ts'],
      }),
    )
    const tsc = join(MODULES, 'typescript/bin/tsc')
    t.doesNotThrow(
      () => plainNode([tsc, '-p', project], project),
      `its types are enough for those who use ${basename(installed)}`,
    )
  })
}
