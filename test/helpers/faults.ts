import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cli } from './agent-process.ts'
import type { Mesh } from './mesh.ts'

const source = new URL('../faults/preload.c', import.meta.url).pathname

export type How = 'error' | 'kill'

/** How a run ended, and the steps that it took on the kernel, that which failed included. */
export interface FaultyRun {
  readonly code: number | null
  readonly log: string
  readonly steps: readonly string[]
}

/** Runs commands of which one step fails: test/faults/preload.c. */
export class Faults implements Disposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'meshaccel-faults-'))
  readonly #library = join(this.#directory, 'preload.so')
  readonly #mesh: Mesh

  constructor(mesh: Mesh) {
    this.#mesh = mesh
    const flags = ['-shared', '-fPIC', '-O2', '-Wall', '-Wextra', '-Werror']
    execFileSync('gcc', [...flags, '-o', this.#library, source])
  }

  /** Runs the command until it ends; an agent that comes to run is ended by SIGTERM. Step 0 is none. */
  async run(command: 'agent' | 'cleanup', step = 0, how: How = 'error'): Promise<FaultyRun> {
    const { cgroup, pinDir, socket, podsFile } = this.#mesh
    const steps = join(this.#directory, 'steps')
    rmSync(steps, { force: true })
    const args = [cli, command, '--cgroup', cgroup, '--pin', pinDir, '--socket', socket]
    if (command === 'agent') args.push('--pods', `file:${podsFile}`, '--policy', 'full')
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        ...process.env,
        LD_PRELOAD: this.#library,
        FAULT_PATH: pinDir,
        FAULT_LOG: steps,
        FAULT_AT: String(step),
        FAULT_HOW: how,
      },
    })
    let log = ''
    child.stderr.on('data', (data: Buffer) => {
      log += data.toString()
      if (log.includes('agent runs')) child.kill('SIGTERM')
    })
    const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
    const taken = existsSync(steps) ? readFileSync(steps, 'utf8').trim().split('\n') : []
    return { code, log, steps: taken }
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

/**
 * The numbers of the steps that are worth failing at: of those with one name the first, of those that make or read one
 * thing after the other (maps, programs, pins) the first and the last, and every attachment.
 */
export function stepsToFail(steps: readonly string[]): number[] {
  const verbs = steps.map((step) => step.split(' ')[0] ?? '')
  return steps.flatMap((step, i) => {
    const verb = verbs[i] ?? ''
    if (['create', 'load', 'get'].includes(verb)) {
      return i === verbs.indexOf(verb) || i === verbs.lastIndexOf(verb) ? [i + 1] : []
    }
    return verb === 'attach' || i === steps.indexOf(step) ? [i + 1] : []
  })
}
