import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { BpfError, Link, type LoadedObject, u32, u64 } from '../src/index.ts'
import { requireRoot } from './requirements.ts'
import { compileFixture, loadWith, mappedFile, openWith, pinDirectory } from './fixture.ts'

const GETPPID = process.arch === 'arm64' ? '__arm64_sys_getppid' : '__x64_sys_getppid'
const HAS_KPROBES = existsSync('/sys/bus/event_source/devices/kprobe/type')

/** Makes the system call getppid, by libc's function of this name. */
function getppid(): void {
  if (process.ppid < 0) throw new Error('no parent')
}

/** The program runs while the link is there, and not afterwards. */
function runsWhile(t: Test, object: LoadedObject, link: Link, trigger = getppid): void {
  const before = object.getGlobal('runs', u64)
  trigger()
  const during = object.getGlobal('runs', u64)
  t.ok(during > before, 'runs while it is attached')
  link[Symbol.dispose]()
  const after = object.getGlobal('runs', u64)
  trigger()
  t.equal(object.getGlobal('runs', u64), after, 'and not when the link is gone')
}

if (requireRoot(tap)) {
  const attach = compileFixture(tap, 'attach')

  /** Loads one program that counts this process alone. */
  function loadOne(name: string): LoadedObject {
    using open = openWith(attach, name)
    open.setGlobal('only_pid', u32, process.pid)
    return open.load()
  }

  for (const kind of ['kprobe', 'kretprobe'] as const) {
    void tap.test(kind, async (t) => {
      using object = loadOne(`on_${kind}`)
      const program = object.program(`on_${kind}`)
      const on = (symbol: string): Link =>
        kind === 'kprobe' ? program.attachKprobe(symbol) : program.attachKretprobe(symbol)
      if (HAS_KPROBES) {
        using link = on(GETPPID)
        runsWhile(t, object, link)
        t.throws(() => on('no_such_function'), { code: 'ENOENT', hint: /no such function/ })
      } else {
        t.throws(() => on(GETPPID), {
          code: 'ENOENT',
          message: new RegExp(`^attach on_${kind} to ${kind} ${GETPPID}: read /sys/bus/`),
          hint: /no kprobes/,
        })
      }
    })
  }

  void tap.test('uprobe: a function of the C library', async (t) => {
    const libc = mappedFile(/\/libc\.so\.6$/)
    using object = loadOne('on_uprobe')
    const program = object.program('on_uprobe')
    using everywhere = program.attachUprobe(libc, 'getppid')
    runsWhile(t, object, everywhere)
    using here = program.attachUprobe(libc, 'getppid', { pid: process.pid })
    runsWhile(t, object, here)
    using atReturn = program.attachUretprobe(libc, 'getppid', { pid: process.pid })
    runsWhile(t, object, atReturn)
    using elsewhere = program.attachUprobe(libc, 'getppid', { pid: 1 })
    const before = object.getGlobal('runs', u64)
    getppid()
    t.equal(object.getGlobal('runs', u64), before, 'another process alone is seen')
    t.notOk(elsewhere.disposed)
  })

  void tap.test('uprobe: an offset, and what is refused', async (t) => {
    const libc = mappedFile(/\/libc\.so\.6$/)
    using object = loadOne('on_uprobe')
    const program = object.program('on_uprobe')
    t.throws(() => program.attachUprobe(libc, 'no_such_function'), {
      code: 'NO_SUCH_SYMBOL',
      message: `find no_such_function in ${libc}: the file has no function of this name`,
      hint: /nm -D/,
    })
    t.throws(() => program.attachUprobe('/etc/passwd', 'getppid'), { code: 'BAD_ELF' })
    t.throws(() => program.attachUprobe('/nowhere', 'getppid'), { code: 'ENOENT' })
    t.throws(() => program.attachUprobe('/nowhere', 64n), {
      code: 'ENOENT',
      message: /^attach on_uprobe to uprobe \/nowhere\+0x40: ENOENT/,
    })
    t.throws(() => program.attachUprobe(libc, 1n << 40n), { code: 'EINVAL', hint: /offset/ })
  })

  void tap.test('raw tracepoint', async (t) => {
    const path = join(pinDirectory(t), 'raw')
    using object = loadOne('on_raw_tp')
    const program = object.program('on_raw_tp')
    using link = program.attachRawTracepoint('sys_enter')
    link.pin(path)
    link.unpin(path)
    runsWhile(t, object, link)
    t.throws(() => program.attachRawTracepoint('no_such_event'), {
      code: 'ENOENT',
      message: /^attach on_raw_tp to raw tracepoint no_such_event: ENOENT/,
      hint: /no such tracepoint/,
    })
  })

  void tap.test('raw tracepoint by BTF (tp_btf)', async (t) => {
    using object = loadOne('on_tp_btf')
    using link = object.program('on_tp_btf').attachTracing()
    runsWhile(t, object, link)
  })

  for (const kind of ['fentry', 'fexit'] as const) {
    void tap.test(kind, async (t) => {
      let object
      try {
        object = loadOne(`on_${kind}`)
      } catch (error) {
        // Some kernels have no trampolines on functions (ENOTSUPP, EINVAL), or refuse these programs (EPERM).
        if (!(error instanceof BpfError)) throw error
        t.match(error.code, /^(EPERM|EINVAL|ENOTSUPP|EBUSY)$/)
        t.match(error.message, new RegExp(`^load object attach: .*prog 'on_${kind}'`))
        t.match(error.hint, /\w/)
        return
      }
      using loaded = object
      const program = loaded.program(`on_${kind}`)
      using link = program.attachTracing()
      // A test run calls the kernel's own test functions, which it is attached to.
      runsWhile(t, loaded, link, () => program.run())
    })
  }

  void tap.test('a clock that samples', async (t) => {
    using object = loadWith(attach, 'on_clock')
    const program = object.program('on_clock')
    const cpu = Number(/^\d+/.exec(readFileSync('/sys/devices/system/cpu/online', 'utf8'))?.[0])
    for (const on of [{ pid: process.pid }, { cpu }]) {
      const before = object.getGlobal('runs', u64)
      using link = program.attachClock(on, 1000)
      // Each round is work that the clock can see; the test's time limit ends it.
      while (object.getGlobal('runs', u64) === before);
      t.equal(link.info().programId, program.info().id)
    }
    t.throws(() => program.attachClock({ cpu: 1 << 20 }, 1000), { code: 'EINVAL', hint: /CPU/ })
    t.throws(() => program.attachClock({ pid: process.pid }, 2 ** 30), { code: 'EINVAL' })
  })
}
