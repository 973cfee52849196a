import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packageRoot } from '../../src/lib/package.ts'
import { Child } from './child.ts'
import { compile } from './compile.ts'
import type { Pod } from './mesh.ts'

/** What a traffic program has seen; test/traffic/stress/report.c. */
export interface TrafficReport {
  readonly event: string
  readonly connections: number
  readonly open: number
  readonly finished: number
  readonly failed: number
  /** Connections on which a receive with MSG_WAITALL returned less than it was to wait for. */
  readonly cutShort: number
  readonly sent: number
  readonly received: number
  readonly steps: number
  /** The steps of the open connection that has come least far. */
  readonly slowest: number
  /** The first thing that went wrong, or empty. */
  readonly error: string
}

/** The options of test/traffic/stress/options.c. */
export type TrafficOptions = Readonly<Record<string, string | number | true>>

/** The traffic programs, compiled into a directory of their own. */
export class TrafficPrograms implements Disposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'meshaccel-traffic-'))
  readonly #compiled = new Map<string, string>()

  /** The path of a program: `stress`, `flood`, `self-connect`, or one of test/kernel/adversity. */
  path(name: string): string {
    let path = this.#compiled.get(name)
    if (path === undefined) {
      const adversity = `adversity/programs/${name}.c`
      const source = existsSync(join(packageRoot, 'test', adversity))
        ? adversity
        : name === 'stress'
          ? 'traffic/stress'
          : `traffic/${name}.c`
      path = compile(source, name, this.#directory)
      this.#compiled.set(name, path)
    }
    return path
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

/** One side of the traffic, inside a pod. */
export class Traffic implements AsyncDisposable {
  readonly child: Child<TrafficReport>

  private constructor(child: Child<TrafficReport>) {
    this.child = child
  }

  /** Resolves once the server listens, or the client's connections are all established. */
  static async start(
    pod: Pod,
    role: 'server' | 'client',
    options: TrafficOptions,
  ): Promise<Traffic> {
    const args = Object.entries(options).map(([name, value]) =>
      value === true ? name : `${name}=${value}`,
    )
    const child = pod.run<TrafficReport>('stress', [role, ...args])
    try {
      await child.take('ready')
    } catch (error) {
      await child[Symbol.asyncDispose]()
      throw error
    }
    return new Traffic(child)
  }

  async progress(): Promise<TrafficReport> {
    this.child.signal('SIGUSR1')
    return this.child.take('progress')
  }

  /** Turns a client's connections into streams of small messages. */
  stream(): void {
    this.child.signal('SIGUSR2')
  }

  /** Lets a blocking server with the option `turn` read in that way from now on. */
  turn(): void {
    this.child.signal('SIGUSR2')
  }

  /** Ends it: a client after the last step of every connection. Rejects when one of them is stalled. */
  async end(): Promise<TrafficReport> {
    this.child.signal('SIGTERM')
    try {
      return await this.child.take('end')
    } catch (error) {
      if (this.child.over) throw error
      throw new Error(`stalled: ${JSON.stringify(await this.progress())}`, { cause: error })
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.child[Symbol.asyncDispose]()
  }
}
