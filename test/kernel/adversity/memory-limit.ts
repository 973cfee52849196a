/**
 * A cgroup with a limit for its sockets' memory. It is in cgroup v1 if the memory controller is mounted there, else in
 * v2.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findCgroup2 } from '../../../src/lib/cgroup.ts'

const FIRST = '/sys/fs/cgroup/memory'
const FIRST_LIMIT = 'memory.kmem.tcp.limit_in_bytes'

export class MemoryLimit implements Disposable {
  readonly path: string
  /** The cgroup for processes without the limit. */
  readonly home: string
  readonly #file: string
  readonly #none: string

  constructor(name: string, home: string) {
    const first = existsSync(join(FIRST, FIRST_LIMIT))
    const parent = first ? FIRST : findCgroup2()
    if (!first) writeFileSync(join(parent, 'cgroup.subtree_control'), '+memory')
    this.path = join(parent, name)
    this.home = first ? FIRST : home
    this.#file = join(this.path, first ? FIRST_LIMIT : 'memory.max')
    this.#none = first ? String(2 ** 40) : 'max'
    mkdirSync(this.path)
    // cgroup v1 accounts only after the first limit is set.
    this.lift()
  }

  set(bytes: number): void {
    writeFileSync(this.#file, String(bytes))
  }

  lift(): void {
    writeFileSync(this.#file, this.#none)
  }

  /** The memory of its sockets, as the kernel reports it. */
  get usage(): string {
    const [file = ''] = ['memory.kmem.tcp.usage_in_bytes', 'memory.current']
      .map((each) => join(this.path, each))
      .filter((each) => existsSync(each))
    return readFileSync(file, 'utf8').trim()
  }

  [Symbol.dispose](): void {
    rmdirSync(this.path)
  }
}
