// bundle-unit-tests.mjs: bundles the tests of test/unit into a few files of build/test/unit, because each file that tap runs
// costs three seconds of CPU time. Some of them start the
// command: build-js.sh bundles it. The tests need only `npm ci`.
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { bundleOptions } from './bundle-options.mjs'

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

rmSync(out, { recursive: true, force: true })
await build({
  ...bundleOptions,
  entryPoints: [...groups.keys()].map((name) => ({ in: `group:${name}`, out: `${name}.test` })),
  outdir: out,
  outExtension: { '.js': '.mjs' },
  splitting: true,
  chunkNames: 'chunks/[hash]',
  sourcemap: 'inline',
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
