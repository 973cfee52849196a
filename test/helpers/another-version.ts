import { execFileSync } from 'node:child_process'
import {
  cpSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packageRoot } from '../../src/lib/package.ts'

/** A copy of this package with BPF programs that were built from a changed header. */
export class AnotherVersion implements Disposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'meshaccel-version-'))
  readonly cli: string = join(this.#directory, 'dist/src/cli.js')

  /** Changes one number of meshaccel.h. */
  constructor(name = 'TURNS', value = 5) {
    const options = { recursive: true, preserveTimestamps: true }
    for (const part of [
      'bpf',
      'build',
      'dist',
      'package.json',
      'scripts',
      'src/api/control.proto',
    ]) {
      cpSync(join(packageRoot, part), join(this.#directory, part), options)
    }
    symlinkSync(join(packageRoot, 'node_modules'), join(this.#directory, 'node_modules'))
    const header = join(this.#directory, 'bpf/include/meshaccel.h')
    const text = readFileSync(header, 'utf8')
    const changed = text.replace(new RegExp(`#define ${name}\\s+\\d+`), `#define ${name} ${value}`)
    if (changed === text) throw new Error('the header is not changed')
    writeFileSync(header, changed)
    const build = join(this.#directory, 'scripts/build-bpf.sh')
    execFileSync('bash', [build, 'build'], { stdio: 'pipe' })
  }

  /** Makes an object that does not load. */
  breakObject(): void {
    truncateSync(join(this.#directory, 'build/bpf/meshaccel.bpf.o'), 1000)
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true, force: true })
  }
}
