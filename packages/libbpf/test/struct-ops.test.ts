import { readFileSync } from 'node:fs'
import tap from 'tap'
import { u32 } from '../src/index.ts'
import { requireRoot } from './requirements.ts'
import { compileFixture, loadWith } from './fixture.ts'

const PROGRAMS = ['still_ssthresh', 'still_cong_avoid', 'still_undo_cwnd'] as const

/** Whether the kernel knows the fixture's congestion control. */
function registered(): boolean {
  const known = readFileSync('/proc/sys/net/ipv4/tcp_available_congestion_control', 'utf8')
  return known.split(/\s+/).includes('libbpf_still')
}

if (requireRoot(tap)) {
  const congestion = compileFixture(tap, 'congestion')

  void tap.test('a table is registered as long as its attachment, not its object', async (t) => {
    const object = loadWith(congestion, ...PROGRAMS)
    t.notOk(registered())
    const table = object.attachStructOps('still')
    t.ok(registered())
    t.throws(() => object.attachStructOps('still'), { name: 'BpfError', hint: /already|this name/ })
    object[Symbol.dispose]()
    t.ok(registered(), 'the object is gone')
    table[Symbol.dispose]()
    table[Symbol.dispose]()
    t.notOk(registered())
  })

  void tap.test('a table without a link: detach, and what it cannot do', async (t) => {
    using object = loadWith(congestion, ...PROGRAMS)
    using table = object.attachStructOps('still')
    t.notOk(table.pinnable)
    t.throws(() => table.pin('/sys/fs/bpf/nothing'), {
      code: 'NOT_PINNABLE',
      hint: /\.struct_ops\.link/,
    })
    t.throws(() => table.update(object.program('still_ssthresh')), { code: 'NOT_UPDATABLE' })
    table.unpin('/sys/fs/bpf/nothing')
    table.detach()
    table.detach()
    t.notOk(registered())
    table[Symbol.dispose]()
    t.throws(() => table.detach(), { code: 'DISPOSED' })
  })

  void tap.test('a map of another kind is no table', async (t) => {
    using object = loadWith(compileFixture(t, 'basics'))
    t.equal(object.map('counters', u32, u32).info.maxEntries, 4)
    t.throws(() => object.attachStructOps('counters'), { code: 'EINVAL', hint: /struct_ops/ })
    t.throws(() => object.attachStructOps('nothing'), { code: 'NO_SUCH_MAP' })
  })
}
