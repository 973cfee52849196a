/** The process that runs the probes: `self-test-process CGROUP PIN-DIRECTORY [BTF]` prints each result as a line of JSON. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runProbes } from './probes.ts'

const [cgroup = '', pinDir = '', btf] = process.argv.slice(2)
writeFileSync(join(cgroup, 'cgroup.procs'), String(process.pid))
runProbes({ pinDir, cgroupPath: cgroup, btf }, (probe) =>
  process.stdout.write(`${JSON.stringify(probe)}\n`),
)
