/** An iterator: lists the processes of the machine, as the kernel itself sees them. */
import { fileURLToPath } from 'node:url'
import { BpfObject, struct, text, u32 } from 'libbpf'

/** struct task of tasks.bpf.c */
const task = struct({ pid: u32, tid: u32, parent: u32, name: text(16) })

using open = BpfObject.open(fileURLToPath(new URL('tasks.bpf.o', import.meta.url)))
using object = open.load()
using link = object.program('walk').attachIter()

const output = link.iterate()
const view = new DataView(output.buffer, output.byteOffset, output.length)
console.log('    PID  PARENT NAME')
for (let offset = 0; offset < output.length; offset += task.size) {
  const { pid, tid, parent, name } = task.decode(view, offset)
  // Threads are tasks too; the first one of a process has its number.
  if (pid === tid) console.log(`${String(pid).padStart(7)} ${String(parent).padStart(7)} ${name}`)
}
