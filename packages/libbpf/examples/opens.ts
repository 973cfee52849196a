/** A counter on a tracepoint: which programs open files, for a second or so many as the first argument says. */
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { BpfObject, struct, text, u64 } from 'libbpf'

const seconds = Number(process.argv[2] ?? 1)

using open = BpfObject.open(fileURLToPath(new URL('opens.bpf.o', import.meta.url)))
using object = open.load()
using opens = object.map('opens', struct({ name: text(16) }), u64)
{
  using link = object.program('count_open').attachTracepoint('syscalls', 'sys_enter_openat')
  console.log(`counting for ${seconds} s, program ${link.info().programId}`)
  await setTimeout(seconds * 1000)
}

const counts = [...opens.lookupBatch()].flat().map(([{ name }, count]) => ({ name, count }))
counts.sort((one, other) => Number(other.count - one.count))
for (const { name, count } of counts) console.log(`${String(count).padStart(8)} ${name}`)
