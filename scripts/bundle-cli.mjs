// bundle-cli.mjs: bundles the command into dist/. Its entries keep the paths of their sources. Shared code goes into
// dist/chunks/. Few files halve the start time of the command.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { build } from 'esbuild'
import { bundleOptions } from './bundle-options.mjs'

const { outputFiles } = await build({
  ...bundleOptions,
  entryPoints: [
    'src/cli.ts',
    'src/datapath/selftest/self-test-process.ts',
    // The compile service runs it in a sandbox.
    'packages/libbpf/src/bin/bpf2ts.ts',
  ],
  outdir: 'dist',
  outbase: '.',
  splitting: true,
  chunkNames: 'chunks/[name]-[hash]',
  // koffi has a binary part. bundle-kube-config.mjs bundles the other package.
  external: ['koffi', '#kube-config'],
  write: false,
  plugins: [
    {
      name: 'packages find files of their own beside their modules',
      setup(bundling) {
        bundling.onLoad({ filter: /\/node_modules\/.*\.c?js$/ }, ({ path }) => {
          const contents = readFileSync(path, 'utf8')
          if (!/\b__dirname\b/.test(contents) || /^import /m.test(contents)) return undefined
          const [, module] = path.split(/.*\/node_modules\//)
          const directory = `require('node:path').dirname(fileOf(${JSON.stringify(module)}))`
          return { contents: `var __dirname = ${directory};\n${contents}` }
        })
      },
    },
  ],
})

// A command that starts meanwhile must find all old files or all new ones. So chunks come first, entries appear whole,
// and old chunks are removed last.
const isChunk = ({ path }) => path.includes('/dist/chunks/')
for (const file of [
  ...outputFiles.filter(isChunk),
  ...outputFiles.filter((one) => !isChunk(one)),
]) {
  mkdirSync(dirname(file.path), { recursive: true })
  const isCommand = file.path.endsWith('/dist/src/cli.js')
  writeFileSync(`${file.path}.new`, file.contents, { mode: isCommand ? 0o755 : 0o644 })
  renameSync(`${file.path}.new`, file.path)
}
const kept = new Set(outputFiles.map(({ path }) => relative('dist', path)))
for (const name of readdirSync('dist', { recursive: true, withFileTypes: true })) {
  const path = join(name.parentPath, name.name)
  if (name.isFile() && !kept.has(relative('dist', path))) rmSync(path)
}
