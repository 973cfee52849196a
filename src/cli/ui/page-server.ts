import { randomBytes, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { extname, join } from 'node:path'
import { messageOf } from '../../lib/errno.ts'
import { isExplained, MeshaccelError } from '../../lib/errors.ts'
import { packageRoot } from '../../lib/package.ts'
import type { ErrorData } from './page-types.ts'

const pageDirectory = 'src/cli/ui/page'

/** The file types to serve. The server serves no others from the directory. */
const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/**
 * Any user who can create a pod chooses its names. So the page may run only its own files, must not build markup from
 * text, and may connect only to this server.
 */
const headers: Readonly<Record<string, string>> = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; " +
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cache-Control': 'no-store',
}

export interface Answer {
  readonly status: number
  readonly contentType: string
  readonly body: string
}

/** Handlers by path. They return JSON and throw MeshaccelErrors. */
export type PageApi = Readonly<Record<string, (query: URLSearchParams) => Promise<string>>>

/**
 * Serves the page on loopback only, below a secret path. Other users of the machine can reach the port, and other sites
 * can make a browser reach it. The server is read-only.
 */
export class PageServer {
  readonly #server: Server
  readonly #token: string

  private constructor(server: Server, token: string) {
    this.#server = server
    this.#token = token
  }

  /** Listens on `port`; 0 lets the kernel choose. Throws BAD_ADDRESS if it cannot listen there. */
  static async listen(port: number, api: PageApi): Promise<PageServer> {
    const token = randomBytes(18).toString('base64url')
    const files = readPage()
    const server = createServer((request, response) => {
      void answer(request, response, token, files, api)
    })
    server.requestTimeout = 10_000
    try {
      server.listen(port, '127.0.0.1')
      await once(server, 'listening')
    } catch (error) {
      throw new MeshaccelError(messageOf(error), {
        code: 'BAD_ADDRESS',
        operation: `serve the page at 127.0.0.1:${port}`,
        hint: 'Name another one with --port, or leave it out.',
        cause: error,
      })
    }
    return new PageServer(server, token)
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/${this.#token}/`
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }
}

function readPage(): ReadonlyMap<string, Answer> {
  const directory = join(packageRoot, pageDirectory)
  return new Map(
    readdirSync(directory).flatMap((name) => {
      const contentType = contentTypes[extname(name)]
      if (contentType === undefined) return []
      const body = readFileSync(join(directory, name), 'utf8')
      return [[name === 'index.html' ? '' : name, { status: 200, contentType, body }]]
    }),
  )
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  ...rest: readonly [token: string, files: ReadonlyMap<string, Answer>, api: PageApi]
): Promise<void> {
  const { status, contentType, body } = await answerTo(request, ...rest)
  response.writeHead(status, { ...headers, 'Content-Type': contentType })
  response.end(request.method === 'HEAD' ? undefined : body)
}

/** Never throws. */
async function answerTo(
  request: IncomingMessage,
  token: string,
  files: ReadonlyMap<string, Answer>,
  api: PageApi,
): Promise<Answer> {
  if (!comesFromHere(request)) return line(403, 'not from there')
  if (request.method !== 'GET' && request.method !== 'HEAD') return line(405, 'GET it')
  const [, given = '', path, query] =
    /^\/([^/]*)\/([^?]*)(?:\?(.*))?$/.exec(request.url ?? '') ?? []
  if (path === undefined || !isSame(given, token)) return line(404, 'not found')
  const file = files.get(path)
  if (file) return file
  const tell = Object.hasOwn(api, path) ? api[path] : undefined
  if (!tell) return line(404, 'not found')
  const json = 'application/json; charset=utf-8'
  try {
    return { status: 200, contentType: json, body: await tell(new URLSearchParams(query)) }
  } catch (error) {
    return { status: 503, contentType: json, body: JSON.stringify(errorData(error)) }
  }
}

/**
 * Whether the request is for this machine, at any forwarded port. A foreign name that resolves to 127.0.0.1 is DNS
 * rebinding. The request must not come from another site either, except by a link that a person followed.
 */
function comesFromHere({ headers: sent }: IncomingMessage): boolean {
  const { host = '', origin } = sent
  if (!/^(?:127\.0\.0\.1|localhost|\[::1\])(?::\d+)?$/i.test(host)) return false
  if (origin !== undefined && origin !== `http://${host}`) return false
  const site = sent['sec-fetch-site'] ?? 'none'
  return site === 'none' || site === 'same-origin' || sent['sec-fetch-mode'] === 'navigate'
}

function isSame(given: string, token: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(token)]
  return one.length === other.length && timingSafeEqual(one, other)
}

function line(status: number, text: string): Answer {
  return { status, contentType: 'text/plain; charset=utf-8', body: `${text}\n` }
}

function errorData(error: unknown): ErrorData {
  const hint = isExplained(error) ? error.hint : undefined
  return { error: messageOf(error), ...(hint === undefined ? {} : { hint }) }
}
