/** A cgroup program: the processes of one cgroup cannot connect to a port, all others can. */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { BpfObject, u16, u64 } from 'libbpf'

const mount = /^(?:\S+ ){4}(\S+) .* - cgroup2 /m.exec(readFileSync('/proc/self/mountinfo', 'utf8'))
if (mount?.[1] === undefined) throw new Error('cgroup v2 is not mounted')
const cgroup = `${mount[1]}/libbpf-example-${process.pid}`

const server = createServer((socket) => socket.end()).listen(0, '127.0.0.1')
await once(server, 'listening')
const address = server.address()
const port = typeof address === 'object' && address !== null ? address.port : 0

/** Connects to the server from a process, which enters a cgroup before. */
function connects(inside: string): boolean {
  const command = `echo $$ >${inside}/cgroup.procs && exec 3<>/dev/tcp/127.0.0.1/${port}`
  return spawnSync('bash', ['-c', command]).status === 0
}

mkdirSync(cgroup)
try {
  using open = BpfObject.open(fileURLToPath(new URL('firewall.bpf.o', import.meta.url)))
  open.setGlobal('refused_port', u16, port)
  using object = open.load()
  using link = object.program('may_connect').attachCgroup(cgroup)
  console.log(`program ${link.info().programId} refuses port ${port}`)
  console.log(`inside of the cgroup: ${connects(cgroup) ? 'connected' : 'refused'}`)
  console.log(`outside: ${connects(mount[1]) ? 'connected' : 'refused'}`)
  console.log(`refused ${object.getGlobal('refused', u64)} times`)
} finally {
  rmdirSync(cgroup)
  server.close()
}
