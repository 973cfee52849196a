import { test } from 'tap'
import { requireRoot } from '../../helpers/requirements.ts'
import { Client, listening, liveThrough } from './life.ts'
import { meshedPods } from './sidecars.ts'

/**
 * Between two runs the server closes its listening socket for a moment, and it may still be busy with the run before. The
 * sidecar turns the refused connection into one that ends. The run had not begun: no stream was connected.
 */
const NOT_READY = '^(?![^]*connected to)[^]*(busy running a test|control socket has closed)'

void test('iperf3 in both directions', async (t) => {
  if (!requireRoot(t)) return
  const { mesh, client, server } = await meshedPods(t)
  const clients: Client[] = []
  // One at a time per server.
  for (const [port, flags] of [
    [5201, ['-l', '1K']],
    [5202, ['-R', '-P', '2']],
    [5203, ['--bidir']],
  ] as const) {
    server.start('iperf3', '-s', '-p', `${port}`, '--logfile', '/dev/null')
    await listening(server, port)
    const where = ['-c', server.address, '-p', `${port}`, '-t', '1', '--bitrate', '500M']
    clients.push(
      await Client.start(client, 'command-client', {
        command: ['iperf3', ...where, ...flags],
        expected: 'iperf Done',
        busy: NOT_READY,
      }),
    )
  }
  // It makes no turns, so it does not join. The test checks only that nothing hinders it.
  await liveThrough(t, mesh, clients, [])
})
