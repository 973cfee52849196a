/**
 * A data path that does not see every event. The kernel skips programs at the recursion guard of a CPU, or when one is
 * preempted.
 */
import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ready } from '../../helpers/compile.ts'
import { packageRoot } from '../../../src/lib/package.ts'

/** The number of skipped events in a thousand, by program. */
export interface Skips {
  readonly received?: number
  readonly closed?: number
}

/** Where these programs begin. Receives are counted by one of several programs, which share a function. */
const heads: Readonly<Record<keyof Skips, RegExp>> = {
  received: /static __always_inline int received\([^)]*\)\n\{\n/,
  closed: /BPF_PROG\(meshaccel_closed,[^)]*\)\n\{\n/,
}

const copied = ['bpf', 'build/bpf', 'dist', 'package.json', 'scripts', 'src/api/control.proto']

/** This package, built in a directory of its own from programs that skip events. */
export class SkippingVersion implements Disposable {
  readonly cli: string
  readonly directory: string
  readonly #keep: boolean

  /** A version in the guests' directory stays, because their compiler is slow. */
  constructor(skips: Skips, guest: string | undefined = ready) {
    const name = `skipping-${skips.received ?? 0}-${skips.closed ?? 0}`
    this.#keep = guest !== undefined
    this.directory =
      guest === undefined ? mkdtempSync(join(tmpdir(), 'meshaccel-skipping-')) : `${guest}-${name}`
    this.cli =
      ready === undefined
        ? join(this.directory, 'dist/src/cli.js')
        : join(this.directory, 'build/guest/cli.mjs')
    if (ready === undefined) this.#build(skips)
  }

  #build(skips: Skips): void {
    mkdirSync(this.directory, { recursive: true })
    const options = { recursive: true, preserveTimestamps: true }
    for (const part of copied) cpSync(join(packageRoot, part), join(this.directory, part), options)
    for (const file of ['kube-config.js', 'netns/meshaccel-walk']) {
      const from = join(packageRoot, 'build', file)
      if (existsSync(from)) cpSync(from, join(this.directory, 'build', file), options)
    }
    symlinkSync(join(packageRoot, 'node_modules'), join(this.directory, 'node_modules'))
    for (const program of ['received', 'closed'] as const) {
      const permille = skips[program]
      if (permille !== undefined) this.#skip(program, permille)
    }
    const build = join(this.directory, 'scripts/build-bpf.sh')
    execFileSync('bash', [build, 'build'], { stdio: 'pipe' })
  }

  /** Makes a program return at once for a share of its calls. */
  #skip(program: keyof Skips, permille: number): void {
    const head = heads[program]
    const skipping = `\tif (bpf_get_prandom_u32() % 1000 < ${permille})\n\t\treturn 0;\n`
    const below = join(this.directory, 'bpf')
    const sources = readdirSync(below, { recursive: true, encoding: 'utf8' })
    const changed = sources.filter((name) => {
      if (!name.endsWith('.bpf.c')) return false
      const file = join(below, name)
      const text = readFileSync(file, 'utf8')
      if (!head.test(text)) return false
      // In C declarations usually come first, but the compiler accepts them after a statement.
      writeFileSync(
        file,
        text.replace(head, (found) => found + skipping),
      )
      return true
    })
    if (changed.length !== 1) throw new Error(`the program ${program} is in ${changed.length} files`)
  }

  [Symbol.dispose](): void {
    if (!this.#keep) rmSync(this.directory, { recursive: true, force: true })
  }
}
