import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readlinkSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test, type Test } from 'tap'
import {
  countTcpSockets,
  identifyNetns,
  resolveNetns,
} from '../../../../src/datapath/netns/netns.ts'
import { requireRoot } from '../../../helpers/requirements.ts'

const ip = (...args: string[]): string => execFileSync('ip', args, { encoding: 'utf8' })

/** Creates a network namespace for this test. Returns its path. */
function namespace(t: Test, suffix: string): string {
  const name = `mxa-test-${process.pid}-${suffix}`
  ip('netns', 'add', name)
  t.teardown(() => {
    ip('netns', 'delete', name)
  })
  return `/run/netns/${name}`
}

/** Starts a process under `command`. Returns its pid once the process has reached its final place. */
async function sleeper(t: Test, command: string, ...args: string[]): Promise<number> {
  const child = spawn(command, [...args, 'sh', '-c', 'echo $$; exec sleep infinity'])
  t.teardown(async () => {
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  const [said]: unknown[] = await once(child.stdout, 'data')
  return Number(String(said))
}

const failing = (code: string) => (): never => {
  throw Object.assign(new Error(code), { code })
}

const here = (): string => readlinkSync('/proc/thread-self/ns/net')

void test('resolves a path to its cookie and addresses, and is back afterwards', async (t) => {
  if (!requireRoot(t)) return
  const before = here()
  const one = namespace(t, 'a')
  const two = namespace(t, 'b')
  const name = one.slice('/run/netns/'.length)
  ip('-n', name, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth1')
  ip('-n', name, 'address', 'add', '10.9.8.7/24', 'dev', 'eth0')
  ip('-n', name, 'link', 'set', 'eth0', 'up')
  ip('-n', name, 'link', 'set', 'eth1', 'up')

  const first = resolveNetns({ path: one })
  t.strictSame(resolveNetns({ path: one }, { wantsIps: false }), { ...first, ips: [] })
  t.match(first, { netnsPath: one, ips: ['10.9.8.7'] })
  t.ok(first.netnsCookie > 0n)
  t.equal(resolveNetns({ path: one }).netnsCookie, first.netnsCookie, 'is always the same')
  t.not(resolveNetns({ path: two }).netnsCookie, first.netnsCookie)
  t.equal(here(), before)
})

void test('resolves the pid of a process to the namespace it is in', async (t) => {
  if (!requireRoot(t)) return
  const path = namespace(t, 'a')
  const pid = await sleeper(t, 'nsenter', `--net=${path}`)
  t.match(resolveNetns({ pid }), {
    netnsCookie: resolveNetns({ path }).netnsCookie,
    netnsPath: `/proc/${pid}/ns/net`,
  })
})

void test("refuses the host's own namespace", async (t) => {
  if (!requireRoot(t)) return
  const pid = await sleeper(t, 'env')
  t.throws(() => resolveNetns({ pid }), { code: 'HOST_NETWORK' })
  t.throws(() => resolveNetns({ path: '/proc/self/ns/net' }), { code: 'HOST_NETWORK' })
})

void test('refuses a process of another user namespace', async (t) => {
  if (!requireRoot(t)) return
  const before = here()
  const pid = await sleeper(t, 'unshare', '--user', '--map-root-user', '--net')
  t.throws(() => resolveNetns({ pid }), {
    code: 'FOREIGN_USER_NAMESPACE',
    message: `resolve network namespace of pid ${pid}: the process lives in another user namespace`,
    hint: /proxyUid/,
  })
  t.equal(here(), before)
})

void test('refuses what is gone or something else', async (t) => {
  if (!requireRoot(t)) return
  const directory = t.testdir({ file: '' })
  execFileSync('mkfifo', [join(directory, 'fifo')])
  const codeOf = (path: string, code: string): unknown =>
    t.throws(() => resolveNetns({ path }), { code }, path)
  codeOf('/run/netns/mxa-none', 'NETNS_GONE')
  codeOf(join(directory, 'file', 'below'), 'NETNS_GONE')
  codeOf(join(directory, 'file'), 'NOT_A_NETNS')
  codeOf(join(directory, 'fifo'), 'NOT_A_NETNS')
  codeOf(directory, 'NOT_A_NETNS')
  codeOf('/proc/self/ns/mnt', 'NOT_A_NETNS')
  const { pid: gone } = spawnSync('true')
  t.throws(() => resolveNetns({ pid: gone }), { code: 'PID_GONE' })
})

void test('says what a failed system call means', async (t) => {
  const path = '/proc/self/ns/net'
  t.throws(
    () =>
      resolveNetns(
        { path },
        { calls: { withNetns: failing('EPERM'), currentNetnsCookie: () => 1n } },
      ),
    { code: 'NETNS_FORBIDDEN', hint: /user namespace/ },
  )
  t.throws(
    () =>
      resolveNetns(
        { path },
        { calls: { withNetns: (_, fn) => fn(), currentNetnsCookie: failing('ENOPROTOOPT') } },
      ),
    { code: 'NETNS_COOKIE_UNSUPPORTED' },
  )
})

void test("an identity stays as long as the namespace, and is never the next one's", async (t) => {
  if (!requireRoot(t)) return
  const path = namespace(t, 'a')
  const name = path.slice('/run/netns/'.length)
  const first = identifyNetns({ path })
  t.equal(identifyNetns({ path }), first)
  resolveNetns({ path })
  t.equal(identifyNetns({ path }), first)
  // Sooner or later the kernel reuses a free inode number for another namespace.
  const inodes = new Map([[statSync(path).ino, first]])
  for (let round = 0; round < 200; round += 1) {
    ip('netns', 'delete', name)
    ip('netns', 'add', name)
    const { ino } = statSync(path)
    const before = inodes.get(ino)
    const now = identifyNetns({ path })
    inodes.set(ino, now)
    if (before === undefined) continue
    t.not(now, before)
    break
  }
  const pid = await sleeper(t, 'nsenter', `--net=${path}`)
  t.equal(identifyNetns({ pid }), identifyNetns({ pid }))
  t.not(identifyNetns({ pid }), identifyNetns({ pid: process.pid }))
})

void test('what is gone has no identity', async (t) => {
  const { pid: gone } = spawnSync('true')
  t.throws(() => identifyNetns({ pid: gone }), { code: 'PID_GONE' })
  t.throws(() => identifyNetns({ path: '/run/netns/mxa-none' }), { code: 'NETNS_GONE' })
})

for (const address of ['127.0.0.1', '::1']) {
  void test(`a connection over ${address} shows in the counters of its namespace, a listener does not`, async (t) => {
    if (!requireRoot(t)) return
    const path = namespace(t, address === '::1' ? 'six' : 'four')
    execFileSync('ip', ['-n', basename(path), 'link', 'set', 'lo', 'up'])
    t.strictSame(countTcpSockets(path), { established: 0, opened: 0 })
    const program = `
      const { connect, createServer } = require('net')
      const server = createServer(() => console.log('connected')).listen(80, '${address}', () => {
        console.log('listening')
        process.stdin.once('data', () => connect(80, '${address}'))
      })`
    const child = spawn('nsenter', [`--net=${path}`, process.execPath, '-e', program])
    const exited = once(child, 'exit')
    t.teardown(async () => {
      child.kill('SIGKILL')
      await exited
    })
    await once(child.stdout, 'data')
    t.strictSame(countTcpSockets(path), { established: 0, opened: 0 })
    child.stdin.write('connect\n')
    await once(child.stdout, 'data')
    t.match(countTcpSockets(path), { established: 2, opened: 2 })
  })
}
