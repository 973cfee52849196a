import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import tap from 'tap'
import { listenOnLoopback, TcpSocket } from '../src/index.ts'

void tap.test('an edge is reported once', async (t) => {
  const pair = TcpSocket.pair()
  using client = pair.client
  using server = pair.server
  using edges = server.edges()
  t.notOk(edges.next())
  client.send(Uint8Array.of(1))
  server.awaitReadable()
  t.ok(edges.next())
  t.notOk(edges.next(), 'though the byte is still there')
  client.send(Uint8Array.of(2))
  server.awaitReadable()
  t.same([...server.receiveAll(2)], [1, 2])
})

void tap.test('a server of Node takes over a listening socket', async (t) => {
  const { fd, port } = listenOnLoopback()
  const server = createServer((socket) => socket.end('hello'))
  server.listen({ fd })
  await once(server, 'listening')
  const [data] = await once(connect(port, '127.0.0.1').setEncoding('utf8'), 'data')
  t.equal(data, 'hello')
  server.close()
  await once(server, 'close')
  t.notOk(server.listening)
})
