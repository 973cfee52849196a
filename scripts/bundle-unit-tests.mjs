// bundle-unit-tests.mjs: bundles the tests of test/unit into a few files of build/test/unit, because each file that tap runs
// costs three seconds of CPU time. It also bundles the command that some of them start. The tests need only `npm ci`.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'

process.chdir(new URL('..', import.meta.url).pathname)
const top = 'test/unit'
const out = 'build/test/unit'
const files = readdirSync(top, { recursive: true })
  .filter((name) => name.endsWith('.test.ts'))
  .toSorted()
/** The directories whose tests take longest have a process each. */
const alone = ['agent', 'cli', 'sources']
const groups = new Map()
for (const file of files) {
  const [directory] = file.split('/')
  const group = alone.includes(directory) ? directory : 'others'
  groups.set(group, [...(groups.get(group) ?? []), file])
}

const run = (script, ...args) => {
  execFileSync(process.execPath, [join('scripts', script), ...args], { stdio: 'inherit' })
}
mkdirSync('build', { recursive: true })
// This bundle takes ten seconds, and changes only with the packages. `npm run build` checks whether it is up to date.
if (!existsSync('build/kube-config.js')) run('bundle-kube-config.mjs', 'build/kube-config.js')
run('bundle-cli.mjs')

rmSync(out, { recursive: true, force: true })
await build({
  entryPoints: [...groups.keys()].map((name) => ({ in: `group:${name}`, out: `${name}.test` })),
  outdir: out,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  splitting: true,
  chunkNames: 'chunks/[hash]',
  sourcemap: 'inline',
  platform: 'node',
  format: 'esm',
  target: 'node20',
  logLevel: 'warning',
  plugins: [
    {
      name: 'a group imports its files; packages stay outside, apart from those of this repository',
      setup(bundling) {
        bundling.onResolve({ filter: /^group:/ }, ({ path }) => ({
          path: path.slice('group:'.length),
          namespace: 'group',
        }))
        bundling.onLoad({ filter: /./, namespace: 'group' }, ({ path }) => ({
          contents: groups
            .get(path)
            .map((file) => `import './${join(top, file)}'`)
            .join('\n'),
          resolveDir: '.',
        }))
        bundling.onResolve({ filter: /^[^./]/ }, ({ path }) =>
          path === 'libbpf' ? undefined : { path, external: true },
        )
      },
    },
  ],
})
