import { existsSync, mkdirSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../src/lib/package.ts'
import { systemCommand } from '../system/system-command.ts'

/** The path of a load program of this directory. Compiles it if it is missing or older than its source. */
export function loadProgram(name: 'stream' | 'open-loop'): string {
  const source = join(packageRoot, `bench/load/${name}.c`)
  const program = join(packageRoot, `build/bench/${name}`)
  if (existsSync(program) && statSync(program).mtimeMs >= statSync(source).mtimeMs) return program
  mkdirSync(join(packageRoot, 'build/bench'), { recursive: true })
  const fresh = `${program}.${process.pid}`
  systemCommand('gcc', ['-O2', '-Wall', '-Wextra', '-pthread', '-o', fresh, source])
  renameSync(fresh, program)
  return program
}
