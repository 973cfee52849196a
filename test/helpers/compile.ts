import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../src/lib/package.ts'

const flags = ['-std=gnu17', '-O2', '-Wall', '-Wextra', '-Wno-missing-field-initializers']

/**
 * The directory with prebuilt test programs. It is for kernels with an emulated processor, which would take minutes to
 * build them.
 */
export const ready: string | undefined = process.env['MESHACCEL_PROGRAMS'] || undefined

/**
 * Compiles a C program below test/ into `directory` and returns its path. `source` is a file, or a directory whose
 * files make one program.
 */
export function compile(source: string, name: string, directory: string, compiler = 'gcc'): string {
  if (ready !== undefined) return join(ready, name)
  const from = join(packageRoot, 'test', source)
  const files = source.endsWith('.c')
    ? [from]
    : readdirSync(from)
        .filter((file) => file.endsWith('.c'))
        .map((file) => join(from, file))
  const program = join(directory, name)
  execFileSync(compiler, [...flags, '-Werror', '-pthread', '-o', program, ...files, '-lm'])
  return program
}
