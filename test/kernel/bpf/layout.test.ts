import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { t as root, test } from 'tap'
import { eventKinds } from '../../../src/datapath/datapath.ts'
import * as layout from '../../../src/datapath/maps/layout.ts'
import * as measureLayout from '../../../src/datapath/measure/layout.ts'
import { Btf, structLayout } from 'libbpf'

const top = new URL('../../../', import.meta.url).pathname
const object = join(top, 'build/bpf/meshaccel.bpf.o')
const measureObject = join(top, 'build/bpf/measure.bpf.o')

/** Types that the object uses only for local variables, which have no BTF. A separate object contains them. */
function compileHeader(): string {
  const directory = mkdtempSync(join(tmpdir(), 'meshaccel-layout-'))
  root.teardown(() => rmSync(directory, { recursive: true }))
  const source = join(directory, 'layout.c')
  const output = join(directory, 'layout.o')
  writeFileSync(
    source,
    '#include "vmlinux.h"\n#include "measure.h"\nstruct flow_end flow_end;\nstruct event event;\nstruct flow_event flow_event;\n' +
      'enum reason reason;\nenum event_kind event_kind;\nenum conn_state conn_state;\nenum flow_path flow_path;\n',
  )
  const include = ['-I', join(top, 'build'), '-I', join(top, 'bpf/include')]
  execFileSync('clang', ['-target', 'bpf', '-g', '-O2', ...include, '-c', source, '-o', output])
  return output
}
const header = compileHeader()

const codecs = {
  isn_pair: layout.isnPair,
  port_range: layout.portRange,
  cidr: layout.cidr,
  pod: layout.pod,
  program: layout.program,
  quarantine: layout.quarantine,
  event: layout.event,
  config: layout.config,
  counters: layout.counters,
  gauge: layout.gauge,
  cursor: layout.cursor,
  flow_end: layout.flowEnd,
}

const measureCodecs = {
  measured: measureLayout.measured,
  pair: measureLayout.pair,
  measure_settings: measureLayout.settings,
  told: measureLayout.told,
  flow_event: measureLayout.flowEvent,
}

const locals = new Set(['flow_end', 'event', 'flow_event'])

for (const [where, all] of [[object, codecs] as const, [measureObject, measureCodecs] as const]) {
  for (const [name, codec] of Object.entries(all)) {
    void test(`the codec of struct ${name} is laid out as the compiler did`, (t) => {
      const { size, members } = codec
      t.strictSame({ size, members }, structLayout(locals.has(name) ? header : where, name))
      t.end()
    })
  }
}

const enums = {
  reason: { prefix: 'REASON_', names: layout.reasons },
  conn_state: { prefix: 'CONN_', names: layout.connStates },
  event_kind: { prefix: 'EVENT_', names: eventKinds },
  flow_path: { prefix: 'PATH_', names: layout.paths },
}

for (const [name, { prefix, names }] of Object.entries(enums)) {
  void test(`the names of enum ${name} are in its order`, (t) => {
    const values = Btf.fromFile(header).enumValues(name)
    const expected = Object.entries(values)
      .filter(([constant]) => !['REASONS', 'EVENT_KINDS'].includes(constant))
      .toSorted(([, a], [, b]) => a - b)
      .map(([constant]) => constant.slice(prefix.length).toLowerCase().replaceAll('_', '-'))
    t.strictSame([...names], expected)
    t.end()
  })
}
