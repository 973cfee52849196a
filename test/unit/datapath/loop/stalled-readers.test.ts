import { test } from 'tap'
import type { Flow } from '../../../../src/datapath/datapath.ts'
import { describeStalledReaders } from '../../../../src/datapath/loop/stalled-readers.ts'

const direction = { path: 'redirect', redirectedBytes: 9n, tcpBytes: 0n, unreadBytes: 0 } as const
const end = {
  netnsCookie: 7n,
  readerPid: 12,
  readerComm: 'nginx',
  proven: true,
  turns: 0,
  ackedBytes: 0n,
}

const podOf = (cookie: bigint): string | undefined => (cookie === 8n ? 'shop/stock' : undefined)

function flow(number: number, toServer: number, toClient: number): Flow {
  return {
    identity: `${number}`,
    ageMs: 1,
    state: 'leaving',
    client: { ...end, address: `10.0.0.1:${number}` },
    server: { ...end, netnsCookie: 8n, address: '10.0.0.2:80' },
    clientToServer: { ...direction, unreadBytes: toServer },
    serverToClient: { ...direction, unreadBytes: toClient },
  }
}

void test('who has not read is told, and of whom', async (t) => {
  t.equal(describeStalledReaders([flow(1, 0, 0)], podOf), '')
  t.equal(
    describeStalledReaders([flow(1, 5, 0), flow(2, 0, 3)], podOf),
    'nginx (pid 12) of shop/stock has not read 5 bytes of the TCP connection from 10.0.0.1:1 to 10.0.0.2:80; ' +
      'nginx (pid 12) of a pod with netns cookie 7 has not read 3 bytes of the TCP connection from 10.0.0.2:80 to 10.0.0.1:2',
  )
})

void test('pods that hold a lock are told after readers', async (t) => {
  t.equal(
    describeStalledReaders([], podOf, [8n, 7n]),
    'a process of shop/stock holds the lock of a TCP socket; ' +
      'a process of a pod with netns cookie 7 holds the lock of a TCP socket',
  )
  t.match(
    describeStalledReaders([flow(1, 5, 0)], podOf, [8n]),
    /has not read 5 bytes.*; a process of shop/,
  )
})

void test('an end whose peer is gone, and a reader that nobody has seen', async (t) => {
  const { server, ...rest } = flow(1, 5, 0)
  const lonely: Flow = {
    ...rest,
    ...(server && { server: { ...server, readerPid: 0, remoteAddress: '127.0.0.6:9' } }),
  }
  delete (lonely as { client?: unknown }).client
  t.match(
    describeStalledReaders([lonely]),
    /^a process that has read nothing yet of .* from 127.0.0.6:9 to 10/,
  )
})

void test('more than five are counted', async (t) => {
  const flows = Array.from({ length: 7 }, (_, number) => flow(number, 1, 0))
  t.match(describeStalledReaders(flows), /:4 to 10.0.0.2:80; 2 more$/)
})
