// bundle-kube-config.mjs OUT: the part of @kubernetes/client-node that the agent uses, its KubeConfig, in one module.
// Imported whole, the package brings 700 generated classes along: 45 MiB of memory and a second at each start.
import { build } from 'esbuild'
import { bundleOptions } from './bundle-options.mjs'

const [outfile] = process.argv.slice(2)
const isAsked = Symbol('is asked')

await build({
  ...bundleOptions,
  stdin: {
    contents: "export { KubeConfig } from '@kubernetes/client-node/dist/config.js'",
    resolveDir: '.',
  },
  outfile,
  // node-fetch does without.
  external: ['encoding'],
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
