import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:os'
import { join } from 'node:path'
import { MeshaccelError } from '../../lib/errors.ts'
import { BpfError } from 'libbpf'
import { packageRoot } from '../../lib/package.ts'
import { readProcessStat } from '../../lib/proc.ts'

const PROGRAM = join(packageRoot, 'build/netns/meshaccel-walk')

/** Makes one walk at a time over the TCP sockets of a network namespace. */
export interface Walker extends Disposable {
  /**
   * Walks with a pinned iterator. Resolves to the iterator's output, which is empty if the namespace is gone. Rejects
   * with a BpfError, or with WALKER_ENDED if the walker has ended.
   */
  walk(pin: string, netnsPath: string): Promise<Buffer>
  /** Whether the walker is waiting for a lock now, so that more processor time does not help. */
  waits(): boolean
}

/** enum frame_kind of walk.c. */
const PIECE = 0
const END = 1
const FAILED_OPEN = 2
/** The operation that failed, from the third kind on. */
const FAILURES = ['open', 'open the iterator for', 'enter', 'start to walk over', 'walk over']
/** struct frame: kind, errno and length, each a u32. */
const FRAME_BYTES = 12

interface Request {
  readonly netnsPath: string
  readonly pieces: Buffer[]
  readonly resolve: (output: Buffer) => void
  readonly reject: (error: unknown) => void
}

/** The process of walk.c. It ends with this process, but not while it waits for a lock in the kernel. */
export class WalkProcess implements Walker {
  readonly #process: ChildProcess
  #request: Request | undefined
  /** The beginning of an incomplete frame. */
  #received: Buffer = Buffer.alloc(0)
  #ended: unknown

  constructor(program: string = PROGRAM) {
    this.#process = spawn(program, [String(process.pid)], { stdio: ['pipe', 'pipe', 'ignore'] })
    this.#process.on('error', (cause) => this.#end(cause))
    this.#process.on('close', (code, signal) => this.#end(`exit ${code ?? signal}`))
    // `close` reports the cause, so this error adds nothing.
    this.#process.stdin?.on('error', () => undefined)
    this.#process.stdout?.on('data', (data: Buffer) => this.#receive(data))
  }

  walk(pin: string, netnsPath: string): Promise<Buffer> {
    if (this.#request) throw new Error('a walker makes one walk at a time')
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended)
      this.#request = { netnsPath, pieces: [], resolve, reject }
      const paths = Buffer.from(`${pin}\0${netnsPath}\0`)
      const size = Buffer.alloc(4)
      size.writeUInt32LE(paths.length)
      this.#process.stdin?.write(Buffer.concat([size, paths]))
    })
  }

  waits(): boolean {
    const { pid } = this.#process
    // It may have just ended, which `close` tells.
    return pid !== undefined && readProcessStat(pid)?.state === 'D'
  }

  /** A process that waits for a lock ends only once it has the lock. This call does not wait for that. */
  [Symbol.dispose](): void {
    this.#process.kill('SIGKILL')
    this.#process.stdin?.destroy()
    this.#process.stdout?.destroy()
    this.#process.unref()
    this.#end('it was ended')
  }

  #receive(data: Buffer): void {
    this.#received = Buffer.concat([this.#received, data])
    while (this.#received.length >= FRAME_BYTES) {
      const end = FRAME_BYTES + this.#received.readUInt32LE(8)
      if (this.#received.length < end) return
      const frame = this.#received.subarray(0, end)
      this.#received = this.#received.subarray(end)
      this.#hear(frame.readUInt32LE(0), frame.readUInt32LE(4), frame.subarray(FRAME_BYTES))
    }
  }

  #hear(kind: number, errno: number, piece: Buffer): void {
    const request = this.#request
    if (!request) return
    if (kind === PIECE) {
      request.pieces.push(piece)
      return
    }
    this.#request = undefined
    if (kind === END) return request.resolve(Buffer.concat(request.pieces))
    // A pod's namespace ends with the pod, before the agent learns of it.
    if (kind === FAILED_OPEN && errno === constants.errno.ENOENT) {
      return request.resolve(Buffer.alloc(0))
    }
    const failure = FAILURES[kind - FAILED_OPEN] ?? `(${kind})`
    request.reject(new BpfError(`${failure} network namespace ${request.netnsPath}`, errno))
  }

  #end(why: unknown): void {
    this.#ended ??= new MeshaccelError(why instanceof Error ? why.message : String(why), {
      code: 'WALKER_ENDED',
      operation: `run ${this.#process.spawnfile}`,
      hint: 'The next walk starts it again. If the file is missing, build it with `npm run setup`.',
      retryable: true,
      ...(why instanceof Error && { cause: why }),
    })
    const request = this.#request
    this.#request = undefined
    request?.reject(this.#ended)
  }
}
