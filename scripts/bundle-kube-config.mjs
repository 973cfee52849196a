// bundle-kube-config.mjs OUT: the part of @kubernetes/client-node that the agent uses, its KubeConfig, in one module.
// Imported whole, the package brings 700 generated classes along: 45 MiB of memory and a second at each start.
import { build } from 'esbuild'

const [outfile] = process.argv.slice(2)
const isAsked = Symbol('is asked')

await build({
  stdin: {
    contents: "export { KubeConfig } from '@kubernetes/client-node/dist/config.js'",
    resolveDir: '.',
  },
  outfile,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  logLevel: 'warning',
  // node-fetch does without.
  external: ['encoding'],
  // For the CommonJS packages in it.
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
  plugins: [
    {
      name: 'what is not used goes',
      setup(bundling) {
        // Its package.json does not say so, but to load a module of it does nothing beside.
        bundling.onResolve({ filter: /./ }, async ({ path, pluginData, ...rest }) => {
          if (pluginData === isAsked) return undefined
          const found = await bundling.resolve(path, { ...rest, pluginData: isAsked })
          const isPure = /\/node_modules\/@kubernetes\/client-node\//.test(found.path)
          return isPure ? { ...found, sideEffects: false } : found
        })
      },
    },
  ],
})
