import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import tap from 'tap'
import { hasSockmapLink, Link, Program, u64 } from '../src/index.ts'
import { requireRoot } from './requirements.ts'
import { compileFixture, loadWith, mountTracefs, pinDirectory, scratchCgroup } from './fixture.ts'

if (requireRoot(tap)) {
  const basics = compileFixture(tap, 'basics')

  mountTracefs(tap)

  void tap.test('a cgroup link: pin, reopen, update, detach', async (t) => {
    const cgroup = scratchCgroup(t)
    const path = join(pinDirectory(t), 'watch')
    using object = loadWith(basics, 'watch')
    const program = object.program('watch')
    {
      using link = program.attachCgroup(cgroup)
      t.equal(link.info().programId, program.info().id)
      t.throws(() => link.disconnect(), { code: 'NOT_PINNED' })
      link.pin(path)
      link.disconnect()
      t.ok(link.disposed)
      t.throws(() => link.info(), { code: 'DISPOSED' })
    }
    using other = loadWith(basics, 'watch')
    using link = Link.fromPin(path)
    t.equal(link.info().programId, program.info().id, 'the pin has kept it')
    link.update(other.program('watch'))
    t.equal(link.info().programId, other.program('watch').info().id)
    link.detach()
    link.unpin(path)
    link.unpin(path)
    t.throws(() => Link.fromPin(path), { code: 'ENOENT' })
  })

  void tap.test('a link that is let go of detaches', async (t) => {
    using object = loadWith(basics, 'on_getppid')
    const link = object.program('on_getppid').attachTracepoint('syscalls', 'sys_enter_getppid')
    // process.ppid is a getppid system call.
    const parent = process.ppid
    t.ok(object.getGlobal('runs', u64) > 0n, `called for ${parent}`)
    link[Symbol.dispose]()
    link[Symbol.dispose]()
    const before = object.getGlobal('runs', u64)
    t.equal(process.ppid, parent)
    t.equal(object.getGlobal('runs', u64), before)
    t.throws(() => object.program('on_getppid').attachTracepoint('syscalls', 'no_such_event'), {
      code: 'ENOENT',
      hint: /no such event/,
    })
  })

  void tap.test('a pinned tracepoint goes on when its handle is let go of', async (t) => {
    const path = join(pinDirectory(t), 'getppid')
    using object = loadWith(basics, 'on_getppid')
    {
      using link = object.program('on_getppid').attachTracepoint('syscalls', 'sys_enter_getppid')
      link.pin(path)
    }
    const before = object.getGlobal('runs', u64)
    t.ok(process.ppid > 0)
    t.ok(object.getGlobal('runs', u64) > before)
  })

  void tap.test('a tp_btf link', async (t) => {
    using object = loadWith(basics, 'trace')
    using link = object.program('trace').attachTracing()
    const before = object.getGlobal('runs', u64)
    t.ok(process.ppid > 0)
    t.ok(object.getGlobal('runs', u64) > before)
    t.throws(() => link.detach(), { name: 'BpfError', hint: /tracing/ })
  })

  void tap.test('a pinned program', async (t) => {
    const cgroup = scratchCgroup(t)
    const path = join(pinDirectory(t), 'watch')
    const id = (() => {
      using object = loadWith(basics, 'watch')
      object.program('watch').pin(path)
      return object.program('watch').info().id
    })()
    using program = Program.fromPin(path)
    t.equal(program.info().id, id)
    using link = program.attachCgroup(cgroup)
    t.equal(link.info().programId, id)
    program.unpin(path)
  })

  void tap.test('what cannot be attached', async (t) => {
    using object = loadWith(basics, 'watch', 'pass')
    t.throws(() => object.program('watch').attachCgroup('/nowhere'), {
      code: 'ENOENT',
      message: 'open /nowhere: ENOENT: No such file or directory',
      hint: /cgroup v2/,
    })
    t.throws(() => object.program('watch').attachCgroup('/tmp'), {
      code: 'EBADF',
      message: 'attach watch to cgroup /tmp: EBADF: Bad file descriptor',
    })
    t.throws(() => object.program('pass').attachSkMsg(object.anyMap('entries')), {
      code: /^(EINVAL|EOPNOTSUPP)$/,
      message: /^attach pass to map entries: /,
    })
    t.throws(() => object.program('watch').attachSkMsg(object.anyMap('sockets')), {
      code: 'EINVAL',
    })
  })

  for (const mode of ['auto', 'attach'] as const) {
    void tap.test(`sk_msg on a sockhash: ${mode}`, async (t) => {
      const path = join(pinDirectory(t), 'pass')
      using object = loadWith(basics, 'pass', 'pass_too')
      const sockets = object.anyMap('sockets')
      using link = object.program('pass').attachSkMsg(sockets, mode)
      t.equal(link.pinnable, mode === 'auto' && hasSockmapLink())
      link.update(object.program('pass_too'))
      if (link.pinnable) {
        link.pin(path)
        link[Symbol.dispose]()
        using again = Link.fromPin(path)
        t.equal(again.info().programId, object.program('pass_too').info().id)
      } else {
        t.throws(() => link.pin(path), { code: 'NOT_PINNABLE' })
        link.detach()
        link.detach()
        link[Symbol.dispose]()
        using second = object.program('pass').attachSkMsg(sockets, mode)
        second.disconnect()
        t.throws(() => second.update(object.program('pass')), { code: 'DISPOSED' })
      }
    })
  }

  void tap.test('a sk_msg program sees what a member sends', async (t) => {
    using object = loadWith(basics, 'pass_too')
    using sockets = object.map('sockets', u64, u64)
    using link = object.program('pass_too').attachSkMsg(sockets)
    const server = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1')
    t.teardown(() => server.close())
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    const client = connect(address.port, '127.0.0.1')
    await once(client, 'connect')
    // A sockhash takes a descriptor from user space, which Node does not publish.
    const handle: unknown = Reflect.get(client, '_handle')
    const fd: unknown =
      typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : -1
    sockets.update(1n, BigInt(Number(fd)))
    t.ok((sockets.lookup(1n) ?? 0n) > 0n, 'the socket cookie')
    client.write('hello')
    t.equal(String(await once(client, 'data')), 'hello')
    t.equal(object.getGlobal('runs', u64), 1000n)
    t.ok(sockets.delete(1n))
    client.destroy()
    t.notOk(link.disposed)
  })
}
