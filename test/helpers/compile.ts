import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../src/lib/package.ts'

const flags = ['-std=gnu17', '-O2', '-Wall', '-Wextra', '-Wno-missing-field-initializers']

/** Where everything that tests run has been made ready, for kernels whose emulated processor would take minutes to. */
export const ready: string | undefined = process.env['MESHACCEL_PROGRAMS'] || undefined

/** The path of a C program below test/, compiled into `directory`: a file, or all of a directory's files in one. */
export function compile(source: string, name: string, directory: string): string {
  if (ready !== undefined) return join(ready, name)
  const from = join(packageRoot, 'test', source)
  const files = source.endsWith('.c')
    ? [from]
    : readdirSync(from)
        .filter((file) => file.endsWith('.c'))
        .map((file) => join(from, file))
  const program = join(directory, name)
  execFileSync('gcc', [...flags, '-Werror', '-pthread', '-o', program, ...files, '-lm'])
  return program
}
