import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import tap from 'tap'
import { libbpfVersion, Link, TcpSocket, u64, withNetns } from '../src/index.ts'
import { requireRoot } from './requirements.ts'
import { compileFixture, loadWith, pinDirectory, scratchCgroup, scratchNetns } from './fixture.ts'

/** Opens a connection over loopback in the namespace, and closes it. */
function makePackets(netns: string): void {
  withNetns(netns, () => {
    const { client, server } = TcpSocket.pair()
    client.reset()
    server[Symbol.dispose]()
  })
}

if (requireRoot(tap)) {
  const attach = compileFixture(tap, 'attach')

  void tap.test('XDP', async (t) => {
    const netns = scratchNetns(t)
    const path = join(pinDirectory(t), 'xdp')
    using object = loadWith(attach, 'on_xdp')
    const program = object.program('on_xdp')
    using link = withNetns(netns, () => program.attachXdp('lo', 'generic'))
    makePackets(netns)
    t.ok(object.getGlobal('runs', u64) > 0n)
    t.throws(() => withNetns(netns, () => program.attachXdp('lo')), {
      code: 'EBUSY',
      message: 'attach on_xdp to XDP of lo: EBUSY: Device or resource busy',
      hint: /has an XDP program already/,
    })
    link.pin(path)
    link.unpin(path)
    using other = loadWith(attach, 'on_xdp')
    link.update(other.program('on_xdp'))
    t.equal(link.info().programId, other.program('on_xdp').info().id)
    link.detach()
    const before = other.getGlobal('runs', u64)
    makePackets(netns)
    t.equal(other.getGlobal('runs', u64), before)
    // The loopback device has no XDP of its own.
    t.throws(() => withNetns(netns, () => program.attachXdp('lo', 'native')), {
      code: 'EOPNOTSUPP',
      hint: /generic/,
    })
    t.throws(() => withNetns(netns, () => program.attachXdp('nothing0')), {
      code: 'ENODEV',
      hint: /ip link/,
    })
  })

  for (const direction of ['ingress', 'egress'] as const) {
    void tap.test(`tcx ${direction}`, async (t) => {
      const netns = scratchNetns(t)
      using object = loadWith(attach, 'on_tc', 'on_xdp')
      const program = object.program('on_tc')
      const on = (): Link => withNetns(netns, () => program.attachTcx('lo', direction))
      let link
      try {
        link = on()
      } catch (error) {
        t.match(error, { code: 'EINVAL', hint: /Linux 6\.6/ }, 'this kernel is older')
        return
      }
      using held = link
      makePackets(netns)
      t.ok(object.getGlobal('runs', u64) > 0n)
      using other = loadWith(attach, 'on_tc')
      held.update(other.program('on_tc'))
      held.detach()
      const before = other.getGlobal('runs', u64)
      makePackets(netns)
      t.equal(other.getGlobal('runs', u64), before)
      t.throws(() => withNetns(netns, () => object.program('on_xdp').attachTcx('lo', direction)), {
        code: 'EINVAL',
        hint: /SEC\("tc"\)/,
      })
    })
  }

  void tap.test('netfilter', async (t) => {
    const netns = scratchNetns(t)
    const { major, minor } = libbpfVersion()
    const place = { family: 'ipv4', hook: 'local-in', priority: 10 } as const
    if (major === 1 && minor < 3) {
      using object = loadWith(attach, 'on_xdp')
      t.throws(() => object.program('on_xdp').attachNetfilter(place), {
        code: 'LIBBPF_TOO_OLD',
        message: `attach on_xdp to netfilter ipv4 local-in: libbpf ${major}.${minor} is too old`,
        hint: 'Netfilter links need libbpf 1.3: install a newer libbpf.so.1.',
      })
      return
    }
    using object = loadWith(attach, 'on_netfilter')
    const program = object.program('on_netfilter')
    using link = withNetns(netns, () => program.attachNetfilter(place))
    makePackets(netns)
    t.ok(object.getGlobal('runs', u64) > 0n)
    t.throws(() => withNetns(netns, () => program.attachNetfilter(place)), {
      code: 'EBUSY',
      hint: /priority/,
    })
    link[Symbol.dispose]()
    const before = object.getGlobal('runs', u64)
    makePackets(netns)
    t.equal(object.getGlobal('runs', u64), before)
  })

  void tap.test('cgroup: a process in it, its packets and its connects', async (t) => {
    const cgroup = scratchCgroup(t)
    const server = createServer((socket) => socket.end()).listen(0, '127.0.0.1')
    t.teardown(() => server.close())
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    const command = `echo $$ >${cgroup}/cgroup.procs && exec 3<>/dev/tcp/127.0.0.1/${address.port}`
    const connects = (): boolean => spawnSync('bash', ['-c', command]).status === 0

    using object = loadWith(attach, 'on_egress', 'on_connect')
    using egress = object.program('on_egress').attachCgroup(cgroup)
    t.ok(connects())
    t.ok(object.getGlobal('runs', u64) > 0n, 'packets that leave are counted')
    egress[Symbol.dispose]()
    const before = object.getGlobal('runs', u64)
    {
      using refusing = object.program('on_connect').attachCgroup(cgroup)
      t.notOk(connects(), 'the program refuses the connect')
      t.equal(object.getGlobal('runs', u64), before + 1n)
      t.notOk(refusing.disposed)
    }
    t.ok(connects())
  })
}
