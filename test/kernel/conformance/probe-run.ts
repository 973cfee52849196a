import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Pod } from '../../helpers/mesh.ts'

export const arms = ['plain', 'joined', 'mid', 'trusted'] as const
export type Arm = (typeof arms)[number]

/** The ports of a probe's connection. */
export interface Ports {
  readonly client: number
  readonly server: number
}

type ProbeLine =
  | { readonly event: 'saw'; readonly text: string }
  | { readonly event: 'skip'; readonly text: string }
  | ({ readonly event: 'turned' } & Ports)
  | ({ readonly event: 'mid' } & Ports)
  | { readonly event: 'end' }

/** One case in one arm: a probe (probe/main.c) that runs in a pod and stops where it waits for its driver. */
export class ProbeRun implements AsyncDisposable {
  readonly name: string
  readonly pod: Pod
  /** The application's transcript. */
  readonly transcript: string[] = []
  /** Why the kernel cannot run the case. */
  skipped: string | undefined
  /** The connection, while the probe waits for an answer. */
  waiting: Ports | undefined
  over = false
  readonly #process: ChildProcess
  readonly #exited: Promise<void>
  #ended = false
  #stderr = ''

  constructor(pod: Pod, executable: string, arm: Arm, name: string) {
    this.name = name
    this.pod = pod
    this.#process = pod.start(executable, arm, name)
    // A probe that its kernel cannot serve ends without waiting for an answer.
    this.#process.stdin?.on('error', () => undefined)
    this.#process.stderr?.on('data', (data: Buffer) => (this.#stderr += data.toString()))
    const { stdout } = this.#process
    if (!stdout) throw new Error('a probe talks on its standard output')
    createInterface({ input: stdout }).on('line', (line) => this.#hear(JSON.parse(line)))
    this.#exited = new Promise((resolve) => {
      this.#process.on('close', () => {
        this.over = true
        if (!this.#ended) this.transcript.push(`the probe failed: ${this.#stderr.trim()}`)
        resolve()
      })
    })
  }

  /** Has it continue, with more turns or with the case. */
  answer(what: 'more' | 'go'): void {
    this.waiting = undefined
    this.#process.stdin?.write(`${what}\n`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#exited
  }

  #hear(line: ProbeLine): void {
    if (line.event === 'saw') this.transcript.push(line.text)
    else if (line.event === 'skip') this.skipped = line.text
    else if (line.event === 'end') this.#ended = true
    else this.waiting = line
  }
}
