/** A cgroup whose sockets' memory can be limited: of the first version where its controller is mounted so, else of the second. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findCgroup2 } from '../../../src/lib/cgroup.ts'

const FIRST = '/sys/fs/cgroup/memory'
const FIRST_LIMIT = 'memory.kmem.tcp.limit_in_bytes'

export class MemoryLimit implements Disposable {
  readonly path: string
  /** Where processes live that are not to be limited. */
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
    // The first version accounts from the first limit on.
    this.lift()
  }

  set(bytes: number): void {
    writeFileSync(this.#file, String(bytes))
  }

  lift(): void {
    writeFileSync(this.#file, this.#none)
  }

  /** What its sockets take, as the kernel tells it. */
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
