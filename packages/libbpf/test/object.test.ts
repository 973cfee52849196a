import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import tap from 'tap'
import {
  BpfError,
  BpfObject,
  LoadedObject,
  RingBuffer,
  u32,
  u64,
  VerifierError,
} from '../src/index.ts'
import { requireRoot } from './requirements.ts'
import { compileFixture, loadWith, openDescriptors, openWith } from './fixture.ts'

/** The context of the fixture's `tick`: one u64, in and out. */
function tick(object: LoadedObject, amount: bigint): bigint {
  const context = new BigUint64Array([amount])
  object.program('tick').run(new Uint8Array(context.buffer))
  return context[0] ?? 0n
}

if (requireRoot(tap)) {
  const basics = compileFixture(tap, 'basics')
  const refused = compileFixture(tap, 'refused')

  void tap.test('constants are set by name before the load', async (t) => {
    using open = openWith(basics, 'tick')
    t.equal(open.getGlobal('cap_bytes', u32), 1)
    open.setGlobal('cap_bytes', u32, 65536)
    open.setGlobal('stamp', u64, 10n)
    using object = open.load()
    t.equal(object.getGlobal('cap_bytes', u32), 65536)
    t.equal(tick(object, 5n), 65546n, 'the program sees them')
    t.equal(object.getGlobal('runs', u64), 5n, '.bss is read live')
    t.equal(object.program('tick').run(new Uint8Array(8)), 7, 'initialised data')
    t.throws(() => object.getGlobal('cap_bytes', u64), { code: 'LAYOUT' })
    t.throws(() => object.getGlobal('nothing', u32), {
      code: 'NO_SUCH_GLOBAL',
      message: 'find global nothing: the object has no such global variable',
    })
  })

  void tap.test('names that are not there are told with those that are', async (t) => {
    using object = loadWith(basics, 'pass')
    t.throws(() => object.program('nothing'), {
      code: 'NO_SUCH_PROGRAM',
      hint: /It has: tick, pass, /,
    })
    t.throws(() => object.map('nothing', u32, u32), { code: 'NO_SUCH_MAP', hint: /entries/ })
    t.throws(() => object.program('tick').fd, { message: /find program tick/ }, 'not loaded')
    t.equal(object.program('pass').info().name, 'pass')
    t.match(object.program('pass').info().tag, /^[0-9a-f]{16}$/)
  })

  void tap.test('maps can be resized before the load', async (t) => {
    using open = openWith(basics)
    open.setMaxEntries('entries', 1000)
    using object = open.load()
    t.equal(object.anyMap('entries').info.maxEntries, 1000)
  })

  void tap.test('a map can be shared between two objects', async (t) => {
    using first = loadWith(basics)
    using open = openWith(basics)
    open.reuseMap('entries', first.anyMap('entries'))
    using second = open.load()
    t.equal(second.anyMap('entries').info.id, first.anyMap('entries').info.id)
  })

  void tap.test('an object is used up by its load and its disposal', async (t) => {
    using open = openWith(basics)
    const object = open.load()
    t.throws(() => open.load(), { code: 'DISPOSED' })
    t.throws(() => open.setGlobal('cap_bytes', u32, 1), { code: 'DISPOSED' })
    const map = object.anyMap('entries')
    object[Symbol.dispose]()
    object[Symbol.dispose]()
    t.throws(() => object.program('pass'), {
      code: 'DISPOSED',
      message: 'find program pass: it has been disposed',
    })
    t.throws(() => map.fd, { code: 'DISPOSED' }, 'a borrowed map ends with its object')
  })

  void tap.test('the verifier is quoted', async (t) => {
    using open = BpfObject.open(refused)
    try {
      open.load()
      t.fail('the load succeeded')
    } catch (error) {
      if (!(error instanceof VerifierError)) throw error
      t.equal(error.code, 'EACCES')
      t.equal(error.errno, 13)
      t.equal(error.program, 'careless')
      t.match(error.usefulLine, /invalid mem access 'map_value_or_null'/)
      t.equal(
        error.message,
        `load program careless: EACCES: Permission denied: ${error.usefulLine}`,
      )
      t.match(error.verifierLog, /processed \d+ insns/)
      t.match(error.hint, /verifierLog/)
    }
    t.ok(open.disposed, 'a failed load uses the object up')
  })

  void tap.test('what cannot be opened is told', async (t) => {
    t.throws(() => BpfObject.open('/nowhere/x.bpf.o'), {
      code: 'ENOENT',
      message: 'open BPF object /nowhere/x.bpf.o: ENOENT: No such file or directory',
      hint: /clang -target bpf/,
    })
    try {
      BpfObject.open(Buffer.from('not an object'), { name: 'junk' })
      t.fail('opened')
    } catch (error) {
      if (!(error instanceof BpfError)) throw error
      t.match(error.message, /^open BPF object junk: /)
      t.match(error.log, /libbpf: /, 'with what libbpf said')
    }
  })

  void tap.test('CO-RE by a BTF file', async (t) => {
    const kernel = '/sys/kernel/btf/vmlinux'
    const least = join(dirname(basics), 'least.btf')
    execFileSync('bpftool', ['gen', 'min_core_btf', kernel, least, refused])
    for (const [btfPath, loads] of [
      [kernel, true],
      [least, false],
    ] as const) {
      using open = BpfObject.open(basics, { btfPath })
      for (const name of open.programNames) open.setAutoload(name, name === 'listeners')
      if (loads) open.load()[Symbol.dispose]()
      else t.throws(() => open.load(), { message: /CO-RE relocation .* struct bpf_iter__tcp/ })
    }
    for (const [path, loads] of [
      [kernel, true],
      [least, false],
    ] as const) {
      const before = openDescriptors()
      const image = readFileSync(basics)
      using open = BpfObject.open(image, { name: 'basics', btf: readFileSync(path) })
      for (const name of open.programNames) open.setAutoload(name, name === 'listeners')
      if (loads) open.load()[Symbol.dispose]()
      else t.throws(() => open.load(), { message: /CO-RE relocation .* struct bpf_iter__tcp/ })
      BpfObject.open(image, { btf: readFileSync(path) })[Symbol.dispose]()
      t.throws(() => BpfObject.open(Buffer.from('junk'), { btf: readFileSync(path) }))
      t.strictSame(openDescriptors(), before, 'the BTF in memory is given back')
    }
    t.throws(() => BpfObject.open(basics, { btfPath: kernel, btf: new Uint8Array() }), {
      code: 'TWO_BTFS',
    })
    t.throws(() => BpfObject.open(basics, { btfPath: '/nowhere.btf' }), {
      code: 'ENOENT',
      message: 'read BTF /nowhere.btf: ENOENT: No such file or directory',
      hint: /BTF/,
    })
  })

  void tap.test('an object knows which of its programs were loaded', async (t) => {
    using object = loadWith(basics, 'tick')
    t.ok(object.isLoaded('tick'))
    t.notOk(object.isLoaded('listeners'))
    t.throws(() => object.isLoaded('no_such'), { code: 'NO_SUCH_PROGRAM' })
  })

  void tap.test('the ring buffer', async (t) => {
    using object = loadWith(basics, 'tick')
    const seen: bigint[] = []
    using ring = new RingBuffer(object.anyMap('events'), (sample) =>
      seen.push(sample.readBigUInt64LE()),
    )
    t.equal(ring.consume(), 0)
    tick(object, 3n)
    tick(object, 4n)
    t.equal(ring.consume(), 2)
    t.strictSame(seen, [3n, 4n])
    const arrived = new Promise<bigint>((resolve, reject) => {
      const keepAlive = setInterval(() => {}, 1000)
      using watching = new RingBuffer(object.anyMap('events'), () => {})
      watching[Symbol.dispose]()
      const other = new RingBuffer(object.anyMap('events'), (sample) => {
        clearInterval(keepAlive)
        other[Symbol.dispose]()
        resolve(sample.readBigUInt64LE())
      })
      other.watch(reject)
    })
    tick(object, 5n)
    t.equal(await arrived, 5n, 'watched, and disposed inside its own callback')
    const failing = new RingBuffer(object.anyMap('events'), () => {
      throw new Error('no')
    })
    tick(object, 6n)
    t.throws(() => failing.consume(), { message: 'no' })
    failing[Symbol.dispose]()
    t.throws(() => failing.consume(), { code: 'DISPOSED' })
    t.throws(() => new RingBuffer(object.anyMap('entries'), () => {}), { code: 'EINVAL' })
  })

  void tap.test('an object made by the static linker', async (t) => {
    const linked = join(dirname(basics), 'linked.o')
    execFileSync('bpftool', ['gen', 'object', linked, basics])
    using open = openWith(linked, 'tick')
    rmSync(linked)
    open.setGlobal('cap_bytes', u32, 5)
    open.setGlobal('stamp', u64, 1n)
    using object = open.load()
    t.equal(tick(object, 0n), 6n)
  })
}
