import { join } from 'node:path'
import type { ServiceDefinition } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { packageRoot } from '../lib/package.ts'

export const compilerService = 'meshaccel.compile.v1.Compiler'

/** The messages of compiler.proto, as proto-loader reads and writes them. */
export interface CompileRequest {
  readonly source?: Source | null
  readonly object?: string
  readonly target?: Partial<Target> | null
}

export interface Source {
  readonly file?: File | null
  readonly headers?: readonly File[]
}

export interface File {
  readonly name: string
  readonly content: Uint8Array
}

export interface Target {
  readonly machine: string
  readonly release: string
  readonly btf: Uint8Array
}

export interface CompileResponse {
  readonly ok: boolean
  readonly object: Uint8Array
  readonly btf: Uint8Array
  readonly types: string
  readonly diagnostics: string
  readonly notes: readonly string[]
  readonly compiler: string
  readonly cached: boolean
}

/** The limits of a message, in bytes. A kernel's BTF has 5 to 12 MiB. */
export const requestLimit: number = 32 << 20
export const responseLimit: number = 64 << 20

export function loadCompilerService(): ServiceDefinition {
  const loaded = loadSync(join(packageRoot, 'src/compile/compiler.proto'), {
    defaults: true,
    arrays: true,
    oneofs: true,
  })[compilerService]
  if (!loaded || 'format' in loaded) throw new Error(`compiler.proto has no ${compilerService}`)
  return loaded
}
