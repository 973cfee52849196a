// bundle-kube-config.mjs OUT: bundles KubeConfig, the only part of @kubernetes/client-node that the agent uses, into
// one module. The whole package would load 700 generated classes: 45 MiB of memory and a second at each start.
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
  // node-fetch works without it.
  external: ['encoding'],
  plugins: [
    {
      name: 'what is not used goes',
      setup(bundling) {
        // Loading one of its modules has no side effects, although its package.json does not say so.
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
