import { join } from 'node:path'
import { build } from 'esbuild'
import type { BootedKernel } from '../../../src/datapath/selftest/booted-kernels.ts'
import { packageRoot } from '../../../src/lib/package.ts'

export type Machine = BootedKernel['machine']

/** The compiler of a guest's C programs. */
export const compilers: Readonly<Record<Machine, string>> = {
  amd64: 'gcc',
  arm64: 'aarch64-linux-gnu-gcc',
}

/** Node in a guest. arm64-root.sh puts that of arm64 there. */
export const nodeOf = (machine: Machine): string =>
  machine === 'arm64' ? '/usr/local/bin/node' : process.execPath

const product = ['src/cli.ts', 'src/datapath/selftest/self-test-process.ts']

/**
 * Bundles the product and a program for a guest into a directory. Finding modules takes a guest ten seconds for each
 * process, and compiling them the same again.
 */
export async function bundleForGuest(program: string, outdir: string): Promise<void> {
  await build({
    entryPoints: [program, ...product.map((file) => join(packageRoot, file))],
    entryNames: '[name]',
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    // It has native parts. The guests have no Kubernetes.
    external: ['koffi', '#kube-config'],
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'warning',
    // For the CommonJS packages in it; one of them looks for a file beside itself.
    define: {
      __dirname: JSON.stringify(join(packageRoot, 'node_modules/grpc-health-check/build/src')),
    },
    banner: {
      js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);",
    },
  })
}
