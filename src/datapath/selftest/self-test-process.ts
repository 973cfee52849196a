/** The process of the probes: `self-test-process CGROUP PIN-DIRECTORY` prints them as JSON. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runProbes } from './probes.ts'

const [cgroup = '', pinDir = ''] = process.argv.slice(2)
writeFileSync(join(cgroup, 'cgroup.procs'), String(process.pid))
process.stdout.write(JSON.stringify(runProbes(pinDir, cgroup)))
