import { join } from 'node:path'
import tap from 'tap'
import {
  BpfMap,
  BpfObject,
  hasSockmapLink,
  Link,
  netnsCookie,
  RingBuffer,
  structLayout,
  u32,
  u64,
} from '../src/index.ts'
import { requireRoot } from './requirements.ts'
import {
  compileFixture,
  loadWith,
  mountTracefs,
  openDescriptors,
  openWith,
  refusesMapIterators,
  pinDirectory,
  scratchCgroup,
} from './fixture.ts'

function fails(step: () => unknown): void {
  try {
    step()
  } catch {
    return
  }
  throw new Error('a step that should fail did not')
}

if (requireRoot(tap)) {
  const basics = compileFixture(tap, 'basics')
  const refused = compileFixture(tap, 'refused')
  const counting = refusesMapIterators(basics) === false ? ['count'] : []
  const programs = ['watch', 'pass', 'tick', 'listeners', 'on_getppid', ...counting]

  void tap.test(
    'no descriptor is left after many rounds of everything, failures included',
    async (t) => {
      const cgroup = scratchCgroup(t)
      mountTracefs(t)
      const pins = pinDirectory(t)

      function round(): void {
        using object = loadWith(basics, ...programs)
        using cgroupLink = object.program('watch').attachCgroup(cgroup)
        cgroupLink.pin(join(pins, 'watch'))
        using pinned = Link.fromPin(join(pins, 'watch'))
        pinned.unpin(join(pins, 'watch'))
        object.program('pass').attachSkMsg(object.anyMap('sockets'))[Symbol.dispose]()
        object.program('pass').attachSkMsg(object.anyMap('sockets'), 'attach')[Symbol.dispose]()
        using event = object.program('on_getppid').attachTracepoint('syscalls', 'sys_enter_getppid')
        fails(() => event.pin('/tmp/no-bpffs'))
        using sockets = object.program('listeners').attachIter()
        sockets.run()
        using later = sockets.open()
        later.read()
        using ring = new RingBuffer(object.anyMap('events'), () => {})
        ring.watch(() => {})
        ring.consume()
        object.anyMap('counters').pin(join(pins, 'counters'))
        using counters = BpfMap.fromPin(join(pins, 'counters'), u32, u32)
        counters.unpin(join(pins, 'counters'))

        fails(() => BpfMap.fromPin(join(pins, 'nothing'), u32, u32))
        fails(() => object.map('entries', u64, u64))
        fails(() => object.program('watch').attachCgroup('/tmp'))
        fails(() => object.program('pass').attachSkMsg(object.anyMap('entries')))
        fails(() => object.program('on_getppid').attachTracepoint('syscalls', 'nothing'))
        fails(() => object.program('count').attachIter())
        fails(() => new RingBuffer(object.anyMap('entries'), () => {}))
        fails(() => BpfObject.open(refused).load())
        fails(() => netnsCookie('/etc/passwd'))
        openWith(basics)[Symbol.dispose]()
        structLayout(basics, 'entry')
        netnsCookie('/proc/self/ns/net')
        hasSockmapLink()
      }

      // The first rounds open what stays open on purpose: libraries, libbpf's and Node's own descriptors.
      for (let count = 0; count < 3; count++) round()
      await new Promise(setImmediate)
      const before = openDescriptors()
      for (let count = 0; count < 30; count++) round()
      await new Promise(setImmediate)
      t.strictSame(openDescriptors(), before)
      t.strictSame(
        before.filter((line) => /anon_inode:\S*(bpf|perf)|\/sys\/fs\//.test(line)),
        [],
        'none of the kernel’s objects at all',
      )
    },
  )
}
