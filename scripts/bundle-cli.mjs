// bundle-cli.mjs: puts what the command loads into few files, dist/chunks/, which takes half of its start off. The entries
// keep their paths.
import { readFileSync, rmSync } from 'node:fs'
import { build } from 'esbuild'

rmSync('dist/chunks', { recursive: true, force: true })
await build({
  entryPoints: ['dist/src/cli.js', 'dist/src/datapath/selftest/self-test-process.js'],
  outdir: 'dist',
  outbase: 'dist',
  allowOverwrite: true,
  bundle: true,
  splitting: true,
  chunkNames: 'chunks/[name]-[hash]',
  platform: 'node',
  format: 'esm',
  target: 'node20',
  logLevel: 'warning',
  // The one has a binary part; the other is bundled by bundle-kube-config.mjs.
  external: ['koffi', '#kube-config'],
  // For the CommonJS packages in it.
  banner: {
    js: [
      "import { createRequire as requireOf } from 'node:module'",
      'const require = requireOf(import.meta.url), fileOf = require.resolve',
    ].join('\n'),
  },
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
