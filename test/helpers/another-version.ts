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
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packageRoot } from '../../src/lib/package.ts'

const copied = ['bpf', 'build/bpf', 'dist', 'package.json', 'scripts', 'src/api/control.proto']
const copiedIfBuilt = ['build/bench', 'build/kube-config.js', 'build/netns/meshaccel-walk']

/** Changes the C sources below a directory. */
export type SourceChange = (bpf: string) => void

/** A copy of this package, with BPF programs that were built from changed sources. */
export class AnotherVersion implements Disposable {
  readonly directory: string
  readonly cli: string
  readonly #keep: boolean

  /** The copy stays if its directory is given. */
  constructor(change: SourceChange, directory?: string) {
    this.#keep = directory !== undefined
    this.directory = directory ?? mkdtempSync(join(tmpdir(), 'meshaccel-version-'))
    this.cli = join(this.directory, 'dist/src/cli.js')
    mkdirSync(this.directory, { recursive: true })
    const options = { recursive: true, preserveTimestamps: true }
    const built = copiedIfBuilt.filter((part) => existsSync(join(packageRoot, part)))
    for (const part of [...copied, ...built]) {
      cpSync(join(packageRoot, part), join(this.directory, part), options)
    }
    symlinkSync(join(packageRoot, 'node_modules'), join(this.directory, 'node_modules'))
    change(join(this.directory, 'bpf'))
    const build = join(this.directory, 'scripts/build-bpf.sh')
    execFileSync('bash', [build, 'build'], { stdio: 'pipe' })
  }

  /** Makes an object that does not load. */
  breakObject(): void {
    truncateSync(join(this.directory, 'build/bpf/meshaccel.bpf.o'), 1000)
  }

  [Symbol.dispose](): void {
    if (!this.#keep) rmSync(this.directory, { recursive: true, force: true })
  }
}

/** Changes one number of meshaccel.h. */
export function withNumber(name: string, value: number): SourceChange {
  return withText(new RegExp(`#define ${name}\\s+\\d+`), () => `#define ${name} ${value}`)
}

/** Replaces a text that is in exactly one file. */
export function withText(pattern: RegExp, replace: (found: string) => string): SourceChange {
  return (bpf) => {
    const names = readdirSync(bpf, { recursive: true, encoding: 'utf8' })
    const sources = names.filter((name) => /\.[ch]$/.test(name)).map((name) => join(bpf, name))
    const found = sources.flatMap((file) => {
      const text = readFileSync(file, 'utf8')
      return pattern.test(text) ? [{ file, text }] : []
    })
    const [only] = found
    if (!only || found.length > 1) throw new Error(`${found.length} files have ${pattern}`)
    writeFileSync(only.file, only.text.replace(pattern, replace))
  }
}

/** Wastes a nanosecond or so for each turn, at each send of a member. */
export function withSlowVerdict(turns: number): SourceChange {
  const waste = 'static long waste(__u32 turn, void *unused)\n{\n\treturn 0;\n}\n\n'
  return withText(
    /SEC\("sk_msg"\)\nint VERDICT\([^)]*\)\n\{\n/,
    (head) => `${waste}${head}\tbpf_loop(${turns}, waste, NULL, 0);\n`,
  )
}
