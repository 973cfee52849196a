/** @type {import('esbuild').BuildOptions} The options of all bundles. */
export const bundleOptions = {
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  logLevel: 'warning',
  // For the CommonJS packages in the bundle.
  banner: {
    js: [
      "import { createRequire as requireOf } from 'node:module'",
      'const require = requireOf(import.meta.url), fileOf = require.resolve',
    ].join('\n'),
  },
}
