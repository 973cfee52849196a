import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { HttpAddress } from '../config.ts'
import { messageOf } from '../errno.ts'
import { MeshaccelError } from '../errors.ts'

export interface Page {
  readonly status: number
  readonly contentType: string
  readonly body: string
}

/** What is served at each path: `/healthz`, `/readyz`. */
export type Pages = Readonly<Record<string, () => Page>>

/** A page of one line. */
export function textPage(status: number, line: string): Page {
  return { status, contentType: 'text/plain; charset=utf-8', body: `${line}\n` }
}

/** Plain HTTP for kubelet's probes and for what scrapes the agent; it tells, and takes nothing. */
export class HttpServer {
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
  }

  /** Throws BAD_ADDRESS when it cannot listen there. */
  static async listen({ host, port }: HttpAddress, pages: Pages): Promise<HttpServer> {
    const server = createServer((request, response) => {
      const path = (request.url ?? '').split('?')[0] ?? ''
      const page = Object.hasOwn(pages, path) ? pages[path] : undefined
      const isRead = request.method === 'GET' || request.method === 'HEAD'
      const { status, contentType, body } =
        page === undefined ? textPage(404, 'not found') : isRead ? page() : textPage(405, 'GET it')
      response.writeHead(status, { 'Content-Type': contentType })
      response.end(request.method === 'HEAD' ? undefined : body)
    })
    server.requestTimeout = 10_000
    try {
      server.listen(port, host)
      await once(server, 'listening')
    } catch (error) {
      throw new MeshaccelError(messageOf(error), {
        code: 'BAD_ADDRESS',
        operation: `serve HTTP at ${host}:${port}`,
        hint: 'Name another one with --metrics.',
        cause: error,
      })
    }
    return new HttpServer(server)
  }

  /** The port that it got, where 0 was asked for. */
  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }
}
