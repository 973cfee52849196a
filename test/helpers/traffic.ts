import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packageRoot } from '../../src/lib/package.ts'
import { Child } from './child.ts'
import { compile } from './compile.ts'
import type { Pod } from './mesh.ts'

/** A traffic program's report; test/traffic/stress/report.c. */
export interface TrafficReport {
  readonly event: string
  readonly connections: number
  readonly open: number
  readonly finished: number
  readonly failed: number
  /** Connections on which a receive with MSG_WAITALL returned less than requested. */
  readonly cutShort: number
  readonly sent: number
  readonly received: number
  readonly steps: number
  /** The number of steps of the slowest open connection. */
  readonly slowest: number
  /** The first error, or empty. */
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
      const adversity = `kernel/adversity/programs/${name}.c`
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

  /** Switches a client's connections to streams of small messages. */
  stream(): void {
    this.child.signal('SIGUSR2')
  }

  /** Has a blocking server with the option `turn` read in that way from now on. */
  turn(): void {
    this.child.signal('SIGUSR2')
  }

  /** Ends it; a client ends after the last step of every connection. Rejects if a connection is stalled. */
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
