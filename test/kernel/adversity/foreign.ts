/** Other projects' agents on the same node: BPF programs that know nothing of ours. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BpfObject, i64, type LoadedObject, u32, u64, withNetns } from 'libbpf'
import { packageRoot } from '../../../src/lib/package.ts'
import { ready } from '../../helpers/compile.ts'
import type { Mesh, Pod } from '../../helpers/mesh.ts'

const names = ['options', 'claims', 'takes'] as const
type Name = (typeof names)[number]

/** Compiles the agents into the directory, for guests. */
export function compileForeign(directory: string): void {
  for (const name of names) compile(name, directory)
}

function compile(name: Name, directory: string): string {
  const object = join(directory, `${name}.bpf.o`)
  const source = join(packageRoot, `test/kernel/adversity/foreign/${name}.bpf.c`)
  const flags = ['-target', 'bpf', '-mcpu=v3', '-O2', '-g', '-Wall', '-Werror']
  execFileSync('clang', [
    ...flags,
    '-I',
    join(packageRoot, 'bpf/include'),
    '-c',
    source,
    '-o',
    object,
  ])
  return object
}

/** An agent that runs in the mesh's cgroup until disposed of. */
export class Foreign<Counts extends string> implements Disposable {
  readonly #object: LoadedObject
  readonly #undo: Disposable[] = []

  private constructor(name: Name, settings: Readonly<Record<string, number>>) {
    const directory = ready ?? mkdtempSync(join(tmpdir(), 'meshaccel-foreign-'))
    try {
      const path = ready ? join(ready, `${name}.bpf.o`) : compile(name, directory)
      using open = BpfObject.open(path)
      for (const [setting, value] of Object.entries(settings)) open.setGlobal(setting, u32, value)
      this.#object = open.load()
    } finally {
      if (!ready) rmSync(directory, { recursive: true })
    }
    this.#undo.push(this.#object)
  }

  /** Writes an option into each packet's header. May clear the flags of other agents. */
  static options(
    { cgroup }: Mesh,
    { overwrites = false }: { overwrites?: boolean } = {},
  ): Foreign<'written' | 'packets' | 'lost' | 'closed'> {
    const foreign = new Foreign<'written' | 'packets' | 'lost' | 'closed'>('options', {
      overwrites: overwrites ? 1 : 0,
    })
    foreign.#undo.push(foreign.#object.program('write_options').attachCgroup(cgroup))
    return foreign
  }

  /** Puts sockets that are accepted at the port into a sockhash with a verdict of its own. */
  static claims(
    { cgroup }: Mesh,
    { port }: { port: number },
  ): Foreign<'claimed' | 'refused' | 'messages'> {
    const foreign = new Foreign<'claimed' | 'refused' | 'messages'>('claims', { port })
    const object = foreign.#object
    foreign.#undo.push(object.program('pass_message').attachSkMsg(object.anyMap('foreign_sockets')))
    foreign.#undo.push(object.program('claim_sockets').attachCgroup(cgroup))
    return foreign
  }

  /** Takes connected sockets, even if they are in another agent's sockmap. */
  static takes({ port }: { port: number }): Foreign<never> {
    return new Foreign<never>('takes', { port })
  }

  /** Takes the sockets that the pod has accepted at the port. */
  take(pod: Pod): void {
    using link = this.#object.program('take_sockets').attachIter()
    // The iterator walks over the namespace in which it is opened.
    using walk = withNetns(pod.netns, () => link.open())
    walk.read()
  }

  /** The number of sockets that it holds. */
  held(): number {
    return [...this.#object.map('foreign_sockets', u64, u64).keys()].length
  }

  /** The value of one of its counters. */
  count(name: Counts): number {
    return Number(this.#object.getGlobal(name, i64))
  }

  [Symbol.dispose](): void {
    for (const each of this.#undo.splice(0).toReversed()) each[Symbol.dispose]()
  }
}
