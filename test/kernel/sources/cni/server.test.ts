import { once } from 'node:events'
import { statSync, writeFileSync, existsSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { test, type Test } from 'tap'
import { createLog } from '../../../../src/lib/log.ts'
import type { CniPod } from '../../../../src/sources/cni/message.ts'
import { CniServer, type CniListener } from '../../../../src/sources/cni/server.ts'
import {
  configuration,
  runPlugin,
  socketPath,
  type PluginRun,
} from '../../../helpers/cni-plugin.ts'

interface Serving {
  readonly path: string
  readonly said: string[]
  readonly run: (command: string, fields?: Readonly<Record<string, unknown>>) => Promise<PluginRun>
}

const careless: CniListener = {
  added: async () => undefined,
  removed: () => undefined,
  retained: () => undefined,
}

async function serving(t: Test, listener: Partial<CniListener>): Promise<Serving> {
  const path = socketPath(t)
  const said: string[] = []
  const log = createLog('debug', {
    write: (line) => {
      const { msg }: { msg: string } = JSON.parse(line)
      said.push(msg)
    },
  })
  const server = await CniServer.listen(path, { ...careless, ...listener }, log)
  t.teardown(() => server.close())
  return {
    path,
    said,
    run: (command, fields) =>
      runPlugin({ command, input: configuration({ socket: path, ...fields }) }),
  }
}

void test('a pod starts once it is enrolled', async (t) => {
  const steps: string[] = []
  let pod: CniPod | undefined
  const { run } = await serving(t, {
    added: async (added) => {
      pod = added
      // An enrolment that is slow, but within the plugin's time limit.
      await setTimeout(100)
      steps.push('enrolled')
    },
  })
  const ips = [{ address: '10.1.2.3/24' }]
  t.match(await run('ADD', { prevResult: { ips } }), { code: 0, stderr: '' })
  steps.push('started')
  t.strictSame(steps, ['enrolled', 'started'])
  t.strictSame(pod, {
    namespace: 'shop',
    name: 'cart-0',
    uid: 'u-1',
    containerId: 'c0ffee',
    netnsPath: '/run/netns/cart',
    ips: ['10.1.2.3'],
  })
})

void test('removed and retained', async (t) => {
  const told: unknown[] = []
  const { run } = await serving(t, {
    removed: (containerId) => void told.push(containerId),
    retained: (containerIds) => void told.push([...containerIds]),
  })
  t.match(await run('DEL'), { code: 0, stderr: '' })
  const valid = { 'cni.dev/valid-attachments': [{ containerID: 'a', ifname: 'eth0' }] }
  t.match(await run('GC', valid), { code: 0, stderr: '' })
  t.strictSame(told, ['c0ffee', ['a']])
})

void test('an enrolment that hangs or fails lets the pod start', async (t) => {
  const hanging = await serving(t, { added: () => new Promise(() => undefined) })
  t.match(await hanging.run('ADD'), { code: 0, stderr: '' })
  t.strictSame(hanging.said, ['a pod starts before it is enrolled'])
  const failing = await serving(t, { added: () => Promise.reject(new Error('no map')) })
  t.match(await failing.run('ADD'), { code: 0, stderr: '' })
  t.strictSame(failing.said, ['a call of the CNI plugin failed'])
})

void test('many at once', async (t) => {
  const told = new Set<string>()
  const { run } = await serving(t, { added: async ({ namespace }) => void told.add(namespace) })
  const runs = await Promise.all(Array.from({ length: 100 }, () => run('ADD')))
  t.ok(runs.every(({ code, stderr }) => code === 0 && stderr === ''))
  t.strictSame([...told], ['shop'])
})

void test('whoever talks nonsense is told and forgotten', async (t) => {
  const { path, said, run } = await serving(t, {})
  const nonsense = connect(path)
  nonsense.end('GET / HTTP/1.1\r\n\r\n')
  const [answer] = await once(nonsense, 'data')
  t.equal(String(answer), 'failed\n')
  const flood = connect(path)
  flood.on('error', () => undefined)
  const dropped = new Promise((resolve) => flood.on('close', resolve))
  flood.write(Buffer.alloc(6 << 20))
  await dropped
  t.match(await run('ADD'), { code: 0, stderr: '' })
  t.strictSame(said, ['a call of the CNI plugin failed'])
})

void test("the socket is for root, replaces a dead agent's and goes with this one", async (t) => {
  const path = socketPath(t)
  writeFileSync(path, 'left over')
  const log = createLog('silent')
  const server = await CniServer.listen(path, careless, log)
  t.equal(statSync(path).mode & 0o777, 0o600)
  const waiting = connect(path)
  await once(waiting, 'connect')
  const ended = once(waiting, 'close')
  await server.close()
  await ended
  t.notOk(existsSync(path))
  await t.rejects(CniServer.listen(`${path}/none`, careless, log), { code: 'BAD_SOCKET' })
})
