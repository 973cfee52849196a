import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { AgentProcess } from '../../helpers/agent-process.ts'
import { kernelObjects } from '../../helpers/kernel-objects.ts'
import type { Mesh } from '../../helpers/mesh.ts'

/** The product's resources at rest. */
export interface Footprint {
  /** Entries by map, if it has names for them. Leaves out maps that forget entries beyond their size (LRU). */
  readonly entries: Readonly<Record<string, number>>
  /** Memory of the node's TCP sockets, in pages. */
  readonly tcpPages: number
  /** The agent's open files, as /proc names them. */
  readonly agentFiles: readonly string[]
  /** Its child processes, which walk over the sockets of pods. */
  readonly walkers: number
  readonly agentRssMiB: number
}

/** The map types that bpftool can walk over, without those that are always full, such as arrays. */
const counted = ['hash', 'sockhash']

export async function footprint(mesh: Mesh, agent: AgentProcess): Promise<Footprint> {
  const entries: Record<string, number> = {}
  for (const id of kernelObjects(mesh.pinDir).map) {
    const { type, name }: { type: string; name?: string } = JSON.parse(bpftool('show', id))
    if (!counted.includes(type)) continue
    const dumped: unknown[] = JSON.parse(bpftool('dump', id))
    entries[name ?? String(id)] = dumped.length
  }
  const proc = `/proc/${agent.pid}`
  const rssKiB = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`${proc}/status`, 'utf8'))?.[1]
  return {
    entries,
    tcpPages: Number(/^TCP:.* mem (\d+)/m.exec(readFileSync('/proc/net/sockstat', 'utf8'))?.[1]),
    agentFiles: await fewestFiles(`${proc}/fd`),
    walkers: readFileSync(`${proc}/task/${agent.pid}/children`, 'utf8').split(' ').filter(Boolean)
      .length,
    agentRssMiB: Number(rssKiB) / 1024,
  }
}

/** A scan has some files open for a moment. */
async function fewestFiles(directory: string): Promise<string[]> {
  let fewest: string[] | undefined
  for (let look = 0; look < 20; look++) {
    const files = openFiles(directory)
    if (!fewest || files.length < fewest.length) fewest = files
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return fewest ?? []
}

function openFiles(directory: string): string[] {
  return readdirSync(directory).flatMap((fd) => {
    try {
      return [readlinkSync(join(directory, fd))]
    } catch {
      return [] // Closed meanwhile.
    }
  })
}

function bpftool(what: 'show' | 'dump', id: number): string {
  return execFileSync('bpftool', ['-j', 'map', what, 'id', String(id)], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  })
}
