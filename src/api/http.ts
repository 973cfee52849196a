import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { HttpAddress } from '../lib/config.ts'
import { errnoOf, messageOf } from '../lib/errno.ts'
import { MeshaccelError } from '../lib/errors.ts'

export interface Page {
  readonly status: number
  readonly contentType: string
  readonly body: string
}

/** The page for each path: `/healthz`, `/readyz`, `/metrics`, `/status`. */
export type Pages = Readonly<Record<string, () => Page | Promise<Page>>>

/** A page of one line. */
export function textPage(status: number, line: string): Page {
  return { status, contentType: 'text/plain; charset=utf-8', body: `${line}\n` }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  pages: Pages,
): Promise<void> {
  const { status, contentType, body } = await pageFor(request, pages)
  response.writeHead(status, { 'Content-Type': contentType })
  response.end(request.method === 'HEAD' ? undefined : body)
}

async function pageFor({ url, method }: IncomingMessage, pages: Pages): Promise<Page> {
  const path = (url ?? '').split('?')[0] ?? ''
  const page = Object.hasOwn(pages, path) ? pages[path] : undefined
  if (page === undefined) return textPage(404, 'not found')
  if (method !== 'GET' && method !== 'HEAD') return textPage(405, 'GET it')
  try {
    return await page()
  } catch (error) {
    return textPage(500, messageOf(error))
  }
}

/** Listens on an address. If the kernel has no IPv6, `::` means all IPv4 addresses. */
async function listen(server: Server, host: string, port: number): Promise<void> {
  try {
    server.listen(port, host)
    await once(server, 'listening')
  } catch (error) {
    if (host !== '::' || errnoOf(error) !== 'EAFNOSUPPORT') throw error
    server.listen(port, '0.0.0.0')
    await once(server, 'listening')
  }
}

/** Plain HTTP for kubelet's probes and for Prometheus. It is read-only. */
export class HttpServer {
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
  }

  /** Throws BAD_ADDRESS if it cannot listen there. */
  static async listen({ host, port }: HttpAddress, pages: Pages): Promise<HttpServer> {
    const server = createServer((request, response) => {
      void answer(request, response, pages)
    })
    server.requestTimeout = 10_000
    try {
      await listen(server, host, port)
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

  /** The port in use, which the kernel chose if 0 was requested. */
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
