import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { cleanupKernelDatapath } from '../../src/datapath/open.ts'
import { cli } from './agent-process.ts'
import type { Mesh } from './mesh.ts'
import { until } from './retry.ts'

const source = new URL('../faults/preload.c', import.meta.url).pathname

export type How = 'error' | 'kill'

/** The nth step with a name. The name `*` means all steps. */
export interface Step {
  readonly name: string
  readonly nth: number
}

/** How a run ended, and the names of its steps including the failed one. */
export interface FaultyRun {
  readonly code: number | null
  readonly log: string
  readonly steps: readonly string[]
}

/** The command line of a mesh's agent, or of its cleanup. */
export function commandIn(
  { cgroup, pinDir, socket, podsOrigin }: Mesh,
  command: 'agent' | 'cleanup',
): string[] {
  const argv = [command, '--cgroup', cgroup, '--pin', pinDir, '--socket', socket]
  return command === 'agent' ? [...argv, '--pods', podsOrigin, '--policy', 'full'] : argv
}

/** Runs commands with one failing step, a system call on BPF objects or below a directory: test/faults/preload.c. */
export class Faults implements Disposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'meshaccel-faults-'))
  readonly #library = join(this.#directory, 'preload.so')
  readonly #below: string

  constructor(below: string) {
    this.#below = below
    const flags = ['-shared', '-fPIC', '-O2', '-Wall', '-Wextra', '-Werror']
    execFileSync('gcc', [...flags, '-o', this.#library, source])
  }

  /** Runs the command until it ends. An agent that gets as far as running is ended with SIGTERM. */
  async run(
    argv: readonly string[],
    { name, nth }: Step = { name: '', nth: 1 },
    how: How = 'error',
  ): Promise<FaultyRun> {
    const steps = join(this.#directory, 'steps')
    rmSync(steps, { force: true })
    const child = spawn(process.execPath, [cli, ...argv], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        ...process.env,
        LD_PRELOAD: this.#library,
        FAULT_PATH: this.#below,
        FAULT_LOG: steps,
        FAULT_STEP: name,
        FAULT_NTH: String(nth),
        FAULT_HOW: how,
      },
    })
    let log = ''
    child.stderr.on('data', (data: Buffer) => {
      log += data.toString()
      if (log.includes('agent runs')) child.kill('SIGTERM')
    })
    const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
    const taken = existsSync(steps) ? readFileSync(steps, 'utf8').split('\n').slice(0, -1) : []
    return { code, log, steps: taken }
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

/** Steps that the same code repeats many times. */
const ONLY_EDGES = new Set(['create', 'load', 'get'])
const IN_TURNS = new Set(['pin', 'attach', 'unlink'])

/**
 * The steps that are worth a failure. For most names that is the first step. For steps that make or read maps and
 * programs it is the first and the last. Pins, attachments and unlinks are made in a loop: their first and last, too.
 * In between, errors take every fourth step, and kills the one after the next.
 */
export function stepsToFail(names: readonly string[], how: How): Step[] {
  const verbs = names.map((name) => name.split(' ')[0] ?? '')
  const remainder = how === 'kill' ? 2 : 0

  function isWanted(verb: string, i: number, nth: number): boolean {
    const before = verbs.slice(0, i).filter((each) => each === verb).length
    const isEdge = before === 0 || i === verbs.lastIndexOf(verb)
    if (IN_TURNS.has(verb)) return isEdge || before % 4 === remainder
    return nth === 1 && (isEdge || !ONLY_EDGES.has(verb))
  }

  return names.flatMap((name, i) => {
    const nth = names.slice(0, i + 1).filter((each) => each === name).length
    return isWanted(verbs[i] ?? '', i, nth) ? [{ name, nth }] : []
  })
}

/** Checks that the next cleanup leaves nothing. */
export async function cleanUp(t: Test, { pinDir, cgroup }: Mesh, what: string): Promise<void> {
  await cleanupKernelDatapath(pinDir, { timeoutMs: 10_000 })
  if (existsSync(pinDir)) t.fail(`${what}: pins are left: ${readdirSync(pinDir).join(', ')}`)
  // The kernel frees the objects a little later.
  await until(`${what}: nothing is attached`, () => {
    const { stdout } = spawnSync('bpftool', ['-j', 'cgroup', 'show', cgroup], { encoding: 'utf8' })
    return !stdout.includes('meshaccel')
  })
}
