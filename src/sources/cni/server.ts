import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { messageOf } from '../../lib/errno.ts'
import type { Log } from '../../lib/log.ts'
import { bindPrivately } from '../../lib/private-socket.ts'
import { parseCniMessage, type CniMessage, type CniPod } from './message.ts'

/** Receives the CNI plugin's calls. */
export interface CniListener {
  /**
   * A pod's sandbox is up. The promise must settle once the pod is enrolled, or known not to be wanted: the pod's start
   * waits for it.
   */
  added(pod: CniPod): Promise<void>
  /** A sandbox is removed. It may be unknown, or have been removed before. */
  removed(containerId: string): void
  /** All sandboxes except these are gone. */
  retained(containerIds: ReadonlySet<string>): void
}

/** The plugin gives up after 500 ms and lets the pod start. An answer before that spares it a useless wait. */
const answerWithinMs = 450
/** The plugin sends its whole message at once. */
const sendWithinMs = 2_000
/** The plugin takes no configuration of more than 4 MiB. */
const maxMessageBytes = 5 << 20
/** Far more than a node starts pods at a time. Calls beyond it are dropped, and their pods still start. */
const maxConnections = 256

/** Serves the CNI plugin's calls on a Unix socket that only root may use. */
export class CniServer {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #listener: CniListener
  readonly #log: Log

  private constructor(listener: CniListener, log: Log) {
    this.#listener = listener
    this.#log = log
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#take(socket))
    this.#server.maxConnections = maxConnections
  }

  /**
   * Serves at `socketPath` and replaces the socket of an agent that is gone. So the caller must hold the agent's lock.
   */
  static async listen(socketPath: string, listener: CniListener, log: Log): Promise<CniServer> {
    const cni = new CniServer(listener, log)
    rmSync(socketPath, { force: true })
    await bindPrivately(socketPath, () => {
      cni.#server.listen(socketPath)
      return once(cni.#server, 'listening')
    })
    return cni
  }

  /** Removes the socket and closes open calls without an answer: their pods start. */
  async close(): Promise<void> {
    if (!this.#server.listening) return
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #take(socket: Socket): void {
    const chunks: Buffer[] = []
    let bytes = 0
    this.#sockets.add(socket)
    // A plugin that has given up is no error.
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.#sockets.delete(socket)
      clearTimeout(late)
    })
    const late = setTimeout(() => {
      this.#log.warn({}, 'a CNI message did not come to its end')
      socket.destroy()
    }, sendWithinMs).unref()
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > maxMessageBytes) socket.destroy()
      else chunks.push(chunk)
    })
    socket.on('end', () => {
      clearTimeout(late)
      void this.#answer(Buffer.concat(chunks)).then((answer) => socket.end(`${answer}\n`))
    })
  }

  /** Returns the answer to the plugin. Any answer lets the pod start. */
  async #answer(bytes: Buffer): Promise<string> {
    try {
      const message = parseCniMessage(bytes)
      return message ? await this.#tell(message) : 'ignored'
    } catch (error) {
      this.#log.warn({ err: messageOf(error) }, 'a call of the CNI plugin failed')
      return 'failed'
    }
  }

  async #tell(message: CniMessage): Promise<string> {
    if (message.command === 'DEL') this.#listener.removed(message.containerId)
    else if (message.command === 'GC') this.#listener.retained(message.containerIds)
    else return this.#added(message.pod)
    return 'done'
  }

  async #added(pod: CniPod): Promise<string> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(() => resolve('late'), answerWithinMs).unref()
    })
    try {
      const outcome = await Promise.race([
        this.#listener.added(pod).then(() => 'done' as const),
        late,
      ])
      if (outcome === 'late') {
        const { namespace, name } = pod
        this.#log.warn({ pod: `${namespace}/${name}` }, 'a pod starts before it is enrolled')
      }
      return outcome
    } finally {
      clearTimeout(timer)
    }
  }
}
