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
  withNetns,
} from '../src/index.ts'
import { requireRoot } from './requirements.ts'
import {
  compileFixture,
  loadWith,
  mappedFile,
  mountTracefs,
  openDescriptors,
  openWith,
  refusesMapIterators,
  pinDirectory,
  scratchCgroup,
  scratchNetns,
} from './fixture.ts'

const NETFILTER = { family: 'ipv4', hook: 'local-in', priority: 10 } as const

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
  const attach = compileFixture(tap, 'attach')
  const batch = compileFixture(tap, 'batch')
  const congestion = compileFixture(tap, 'congestion')
  const tables = ['still_ssthresh', 'still_cong_avoid', 'still_undo_cwnd']
  const kinds = ['on_uprobe', 'on_raw_tp', 'on_clock', 'on_xdp', 'on_tc', 'on_egress', 'on_kprobe']
  const libc = mappedFile(/\/libc\.so\.6$/)
  const counting = refusesMapIterators(basics) === false ? ['count'] : []
  const programs = ['watch', 'pass', 'tick', 'listeners', 'on_getppid', ...counting]

  void tap.test(
    'no descriptor is left after many rounds of everything, failures included',
    async (t) => {
      const cgroup = scratchCgroup(t)
      mountTracefs(t)
      const pins = pinDirectory(t)
      const netns = scratchNetns(t)

      function roundOfKinds(): void {
        using object = loadWith(attach, ...kinds)
        const probe = object.program('on_uprobe')
        probe.attachUprobe(libc, 'getppid')[Symbol.dispose]()
        probe.attachUretprobe(libc, 'getppid', { pid: process.pid })[Symbol.dispose]()
        fails(() => probe.attachUprobe(libc, 'no_such_function'))
        fails(() => probe.attachUprobe('/nowhere', 64n))
        const raw = object.program('on_raw_tp')
        raw.attachRawTracepoint('sys_enter')[Symbol.dispose]()
        fails(() => raw.attachRawTracepoint('no_such_event'))
        const clock = object.program('on_clock')
        clock.attachClock({ pid: process.pid }, 10)[Symbol.dispose]()
        fails(() => clock.attachClock({ cpu: 1 << 20 }, 10))
        // The program does not fit the event: it is open by then.
        fails(() => object.program('on_xdp').attachClock({ pid: process.pid }, 10))
        fails(() => object.program('on_kprobe').attachKprobe('no_such_function'))
        using egress = object.program('on_egress').attachCgroup(cgroup)
        withNetns(netns, () => {
          using xdp = object.program('on_xdp').attachXdp('lo', 'generic')
          fails(() => object.program('on_xdp').attachXdp('lo', 'generic'))
          fails(() => object.program('on_xdp').attachTcx('lo', 'egress'))
          fails(() => object.program('on_xdp').attachNetfilter(NETFILTER))
          xdp.detach()
        })
        egress.detach()
      }

      function roundOfBatches(): void {
        using open = BpfObject.open(batch, { btfPath: '/sys/kernel/btf/vmlinux' })
        using object = open.load()
        using map = object.map('hash', u32, u64)
        map.updateBatch([[1, 1n]])
        // Left half way.
        for (const piece of map.lookupBatch(1)) if (piece.length > 0) break
        fails(() => object.map('array', u32, u64).deleteBatch([1]))
        fails(() => BpfObject.open(batch, { btfPath: '/nowhere.btf' }))
      }

      function roundOfTables(): void {
        using object = loadWith(congestion, ...tables)
        using table = object.attachStructOps('still')
        fails(() => object.attachStructOps('still'))
        table.detach()
      }

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
        roundOfKinds()
        roundOfBatches()
        roundOfTables()
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
