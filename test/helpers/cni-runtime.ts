import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { linkSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'
import { packageRoot } from '../../src/lib/package.ts'

/** The rules by which a runtime selects a network: test/kernel/cni/runtime. */
export type Rule = 'containerd' | 'crio'

export const rules: readonly Rule[] = ['containerd', 'crio']

/** The result of a runtime on a node: the network that it used, and its errors. */
export interface RuntimeRun {
  readonly network?: string
  readonly types?: readonly string[]
  readonly errors?: readonly string[]
  /** The number of pods that `hammer` started, and the plugins of each network that it saw. */
  readonly pods?: number
  readonly seen?: readonly string[]
}

let built: string | undefined

/** The program that connects pods through the real libcni. It is built once. */
export function runtimeProgram(t: Test): string {
  if (built !== undefined) return built
  const directory = mkdtempSync(join(tmpdir(), 'cni-runtime-'))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  const program = join(directory, 'runtime')
  const source = join(packageRoot, 'test/kernel/cni/runtime')
  execFileSync('go', ['build', '-mod=readonly', '-buildvcs=false', '-o', program, '.'], {
    cwd: source,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  t.comment(`built ${program}`)
  built = program
  return program
}

/** A node's CNI directories, with substitutes for all plugins. */
export class CniNode {
  readonly conf: string
  readonly bin: string
  readonly cache: string
  readonly #program: string

  constructor(t: Test, types: readonly string[], conf: Readonly<Record<string, string | Buffer>>) {
    this.#program = runtimeProgram(t)
    // A directory on the program's file system, for hard links.
    const root = mkdtempSync(join(dirname(this.#program), 'node-'))
    t.teardown(() => rmSync(root, { recursive: true, force: true }))
    this.conf = join(root, 'conf')
    this.bin = join(root, 'bin')
    this.cache = join(root, 'cache')
    for (const directory of [this.conf, this.bin, this.cache]) mkdirSync(directory)
    this.plugins(types)
    for (const [name, content] of Object.entries(conf))
      writeFileSync(join(this.conf, name), content)
  }

  /** The directory that contains the node's directories. */
  get root(): string {
    return dirname(this.conf)
  }

  /** Installs plugins of these types in a directory. */
  plugins(types: readonly string[], directory: string = this.bin): void {
    mkdirSync(directory, { recursive: true })
    for (const type of types) {
      rmSync(join(directory, type), { force: true })
      linkSync(this.#program, join(directory, type))
    }
  }

  /** The command line's arguments for this node. */
  get places(): string[] {
    const state = join(this.root, 'cni-chain.json')
    return ['--conf-dir', this.conf, '--bin-dir', this.bin, '--state', state]
  }

  /** Has a runtime read the node's files, and connect and disconnect a pod. */
  run(rule: Rule, verbs = 'add,del', id = 'pod-0', binDir: string = this.bin): RuntimeRun {
    const [command, ...args] = this.#argv(rule, verbs, id, binDir)
    const { stdout, stderr, status } = spawnSync(command ?? '', args, {
      encoding: 'utf8',
      env: this.#env,
    })
    if (status !== 0) throw new Error(`the runtime failed: ${stderr}`)
    const said: RuntimeRun = JSON.parse(stdout)
    return said
  }

  /** Has a runtime connect and disconnect pods until the work is done. */
  async hammer(rule: Rule, work: () => Promise<unknown>): Promise<RuntimeRun> {
    const [command, ...args] = this.#argv(rule, 'hammer', 'pod', this.bin)
    const child = spawn(command ?? '', args, { stdio: ['pipe', 'pipe', 'inherit'], env: this.#env })
    let stdout = ''
    const begun = new Promise<void>((resolve) => {
      child.stdout.on('data', (data: Buffer) => {
        stdout += data.toString()
        resolve()
      })
    })
    const ended = new Promise<void>((resolve) => child.on('close', () => resolve()))
    try {
      await begun
      await work()
    } finally {
      child.stdin.end()
      await ended
    }
    const said: RuntimeRun = JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
    return said
  }

  get #env(): NodeJS.ProcessEnv {
    return { ...process.env, TMPDIR: this.cache }
  }

  #argv(rule: Rule, verbs: string, id: string, binDir: string): string[] {
    const call = [this.#program, rule, verbs, this.conf, this.cache, id, binDir]
    if (rule === 'crio') return call
    // go-cni has a fixed path for libcni's cache.
    const script =
      'mount -t tmpfs none /var/lib && mkdir /var/lib/cni && mount --bind "$1" /var/lib/cni && shift && exec "$@"'
    return ['unshare', '--mount', '--', 'sh', '-c', script, 'sh', this.cache, ...call]
  }
}
