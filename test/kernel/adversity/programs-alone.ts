/** Some programs of the data path without the rest and without an agent, attached to the cgroup of a mesh. */
import { join } from 'node:path'
import { sumCounters } from '../../../src/datapath/maps/counters.ts'
import { counters, type CountersRecord, pod } from '../../../src/datapath/maps/generated.ts'
import { podRecord } from '../../../src/datapath/maps/pod-record.ts'
import { BpfObject, type LoadedObject, netnsCookie, u32, u64 } from 'libbpf'
import { packageRoot } from '../../../src/lib/package.ts'
import type { Mesh, Pod } from '../../helpers/mesh.ts'

export class ProgramsAlone implements Disposable {
  readonly #object: LoadedObject
  readonly #undo: Disposable[] = []

  /** The watch, and the accounting of receives and closes. */
  constructor({ cgroup }: Mesh) {
    using open = BpfObject.open(join(packageRoot, 'build/bpf/meshaccel.bpf.o'))
    const programs = ['meshaccel_watch', 'meshaccel_received', 'meshaccel_closed']
    for (const name of open.programNames) open.setAutoload(name, programs.includes(name))
    this.#object = open.load()
    this.#undo.push(this.#object)
    for (const name of programs) {
      const program = this.#object.program(name)
      this.#undo.push(
        name === 'meshaccel_watch' ? program.attachCgroup(cgroup) : program.attachTracing(),
      )
    }
  }

  /** Enrols a pod. */
  enable({ netns }: Pod): void {
    const record = podRecord({ proxyUid: 0 })
    this.#object.map('meshaccel_pods', u64, pod).update(netnsCookie(netns), record)
  }

  counters(): CountersRecord {
    return sumCounters(this.#object.map('meshaccel_counters', u32, counters).lookupPerCpu(0) ?? [])
  }

  [Symbol.dispose](): void {
    for (const each of this.#undo.splice(0).toReversed()) each[Symbol.dispose]()
  }
}
