/** Sends back the bytes that it gets: over HTTP/1.1, after an upgrade, over HTTP/2 without TLS, and over plain TCP. */
import { createServer as createHttp } from 'node:http'
import { createServer as createHttp2 } from 'node:http2'
import { createServer as createTcp } from 'node:net'

interface Options {
  readonly host: string
  readonly http: number
  readonly http2: number
  readonly tcp: number
  /** Whether an HTTP/1.1 answer begins only after the end of its request. */
  readonly waits?: boolean
}
const { host, http, http2, tcp, waits }: Options = JSON.parse(process.argv[2] ?? '{}')

const http1 = createHttp({ keepAliveTimeout: 0 }, (request, response) => {
  const length = request.headers['content-length']
  const begin = (): unknown =>
    response.writeHead(200, length === undefined ? {} : { 'content-length': length })
  if (!waits) {
    begin()
    request.pipe(response)
    return
  }
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    begin()
    response.end(Buffer.concat(chunks))
  })
})
http1.on('upgrade', (_request, socket, head) => {
  socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n')
  socket.on('error', () => socket.destroy())
  socket.write(head)
  socket.pipe(socket)
})
const h2c = createHttp2()
h2c.on('stream', (stream) => {
  stream.on('error', () => stream.destroy())
  stream.respond({ ':status': 200 })
  stream.pipe(stream)
})
const bare = createTcp({ noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy())
  socket.pipe(socket)
})
await Promise.all([
  new Promise<void>((resolve) => http1.listen(http, host, resolve)),
  new Promise<void>((resolve) => h2c.listen(http2, host, resolve)),
  new Promise<void>((resolve) => bare.listen(tcp, host, resolve)),
])
process.stdout.write('{"event":"ready"}\n')
