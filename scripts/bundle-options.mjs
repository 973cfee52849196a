/** @type {import('esbuild').BuildOptions} What both bundles share. */
export const bundleOptions = {
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  logLevel: 'warning',
  // For the CommonJS packages in it.
  banner: {
    js: [
      "import { createRequire as requireOf } from 'node:module'",
      'const require = requireOf(import.meta.url), fileOf = require.resolve',
    ].join('\n'),
  },
}
