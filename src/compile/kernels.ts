import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf } from '../lib/errno.ts'
import { MeshaccelError } from '../lib/errors.ts'
import type { Job, Machine } from './request.ts'

/** The BTFs that the server has: of its own kernel, and of others in `DIR/MACHINE/RELEASE.btf`. */
export class Kernels {
  readonly own: Uint8Array | undefined
  readonly #machine: Machine
  readonly #release: string
  readonly #directory: string | undefined

  constructor(
    own: Uint8Array | undefined,
    machine: Machine,
    release: string,
    directory: string | undefined,
  ) {
    this.own = own
    this.#machine = machine
    this.#release = release
    this.#directory = directory
  }

  /**
   * The BTF for a target. It is undefined where the target names no release and is another machine than this one. Throws
   * NO_BTF for a release that the server does not have.
   */
  find({ machine, release }: Pick<Job, 'machine' | 'release'>): Uint8Array | undefined {
    if (release === undefined) return machine === this.#machine ? this.own : undefined
    if (release === this.#release && machine === this.#machine && this.own) return this.own
    if (this.#directory === undefined) throw this.missing(machine, release)
    try {
      return readFileSync(join(this.#directory, machine, `${release}.btf`))
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') throw this.missing(machine, release)
      throw error
    }
  }

  missing(machine: Machine, release?: string): MeshaccelError {
    const which = release === undefined ? `a kernel of ${machine}` : `Linux ${release} (${machine})`
    return new MeshaccelError(`the server has no BTF of ${which}`, {
      code: 'NO_BTF',
      operation: 'find the types of the target',
      hint: 'Send it: --btf FILE, a copy of /sys/kernel/btf/vmlinux of the target.',
    })
  }
}
