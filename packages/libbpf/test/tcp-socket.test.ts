import tap from 'tap'
import { TcpSocket } from '../src/index.ts'

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
