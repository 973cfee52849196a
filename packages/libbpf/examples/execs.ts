/** A ring buffer: runs a command, and tells which programs the machine starts meanwhile. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { BpfObject, RingBuffer, struct, text, u32, u64 } from 'libbpf'

const [command = 'sh', ...options] =
  process.argv.length > 2 ? process.argv.slice(2) : ['sh', '-c', 'ls / >/dev/null; sleep 0']

/** struct exec of execs.bpf.c */
const exec = struct({ timeNs: u64, pid: u32, name: text(16) })

using open = BpfObject.open(fileURLToPath(new URL('execs.bpf.o', import.meta.url)))
using object = open.load()
using ring = new RingBuffer(object.anyMap('events'), (sample) => {
  const view = new DataView(sample.buffer, sample.byteOffset, sample.length)
  const { timeNs, pid, name } = exec.decode(view, 0)
  console.log(`${(Number(timeNs) / 1e9).toFixed(6)} ${pid} ${name}`)
})
// Whenever the kernel says that there is something.
ring.watch((error) => {
  throw error
})
using link = object.program('on_exec').attachTracepoint('sched', 'sched_process_exec')

await once(spawn(command, options, { stdio: 'inherit' }), 'exit')
ring.consume()
console.log(`program ${link.info().programId} lost ${object.getGlobal('lost', u64)} events`)
