/** Compiles one checked request, step by step, each in a sandbox of its own. */
import { createHash } from 'node:crypto'
import { basename, join } from 'node:path'
import { MeshaccelError } from '../lib/errors.ts'
import { Cache } from './cache.ts'
import type { Kernels } from './kernels.ts'
import type { Job, Machine, ObjectName } from './request.ts'
import { defaultLimits, type Ended, type Limits, type Run, type Sandbox } from './sandbox.ts'
import { bpf2tsInside, homeInside, type Toolchain } from './toolchain.ts'
import type { CompileResponse, File } from './wire.ts'

/** An answer, and whether the same request would get the same one again. */
export interface Compiled {
  readonly response: Omit<CompileResponse, 'cached'>
  readonly lasting: boolean
}

/** How `clang -D__TARGET_ARCH_...` names a machine. */
const clangNames: Readonly<Record<Machine, string>> = { x86_64: 'x86', aarch64: 'arm64' }

const work = '/work'
const nothing = new Uint8Array()

/** The flags are those of scripts/build-bpf.sh. Warnings are no errors in the sources of others. */
const compileScript = `
clang -target bpf -mcpu=v3 -O2 -g -Wall -fno-crash-diagnostics "-D__TARGET_ARCH_$2" -I${work} -c "$1" -o /tmp/object &&
	llvm-strip -g /tmp/object && cat /tmp/object`
const buildScript = `
VMLINUX_H=${work}/vmlinux.h bash ${homeInside}/scripts/build-bpf.sh /tmp/build "$2" >&2 && cat "/tmp/build/bpf/$1.bpf.o"`
const leastBtfScript = `bpftool gen min_core_btf ${work}/btf /tmp/least "$1" && cat /tmp/least`

const nodeLimits: Limits = { ...defaultLimits, processes: 32 }
/** It compiles a dozen files, one after the other. */
const buildLimits: Limits = { ...defaultLimits, wallMs: 300_000, processes: 8 }

export class Compiler {
  readonly #toolchain: Toolchain
  readonly #sandbox: Sandbox
  readonly #kernels: Kernels
  readonly #limits: Limits
  /** vmlinux.h by the hash of the BTF. */
  readonly #types = new Cache<Uint8Array>({ entries: 16, bytes: 64 << 20, ageMs: Infinity })

  constructor(
    toolchain: Toolchain,
    sandbox: Sandbox,
    kernels: Kernels,
    limits: Partial<Limits> = {},
  ) {
    this.#toolchain = toolchain
    this.#sandbox = sandbox
    this.#kernels = kernels
    this.#limits = { ...defaultLimits, ...limits }
  }

  /** Throws BAD_BTF for a BTF that cannot be read, NO_BTF where the server has none that fits. */
  async compile(job: Job, slot: number): Promise<Compiled> {
    const notes: string[] = []
    const btf = job.btf ?? this.#kernels.find(job)
    const built =
      'object' in job.input
        ? await this.#build(job.input.object, job.machine, btf, slot)
        : await this.#compile(job.input, job, btf, slot)
    const { compiler } = this.#toolchain
    const diagnostics = diagnosticsOf(built)
    if (!built.ok || built.stdout.length === 0) {
      const response = { ...noObject, diagnostics, compiler }
      return { response, lasting: built.limit === undefined }
    }
    const name =
      'object' in job.input
        ? `${job.input.object}.bpf.o`
        : basename(job.input.file.name).replace(/\.c$/, '.o')
    const object = { path: join(work, name), content: built.stdout }
    const wantsBtf = job.btf !== undefined || job.release !== undefined
    const least = wantsBtf && btf ? await this.#leastBtf(object, btf, slot) : undefined
    const types = await this.#bpf2ts(object, slot)
    if (least && !least.ok) notes.push(`There is no minimal BTF: ${diagnosticsOf(least)}`)
    if (!types.ok) notes.push(`There are no types: ${diagnosticsOf(types)}`)
    return {
      response: {
        ok: true,
        object: built.stdout,
        btf: least?.ok ? least.stdout : nothing,
        types: types.ok ? types.stdout.toString() : '',
        diagnostics,
        notes,
        compiler,
      },
      lasting: types.limit === undefined && least?.limit === undefined,
    }
  }

  async #compile(
    { file, headers }: { readonly file: File; readonly headers: readonly File[] },
    { machine, btf: given }: Job,
    btf: Uint8Array | undefined,
    slot: number,
  ): Promise<Ended> {
    const all = [file, ...headers]
    const files = new Map(all.map(({ name, content }) => [join(work, name), content]))
    const vmlinux = join(work, 'vmlinux.h')
    if (!files.has(vmlinux) && all.some(({ content }) => mentions(content, 'vmlinux.h'))) {
      if (btf === undefined) throw this.#kernels.missing(machine)
      files.set(vmlinux, await this.#vmlinux(btf, given !== undefined, slot))
    }
    const command = [...shell(compileScript), file.name, clangNames[machine]]
    return this.#run({ view: this.#toolchain.build, command, files }, this.#limits, slot)
  }

  async #build(
    object: ObjectName,
    machine: Machine,
    btf: Uint8Array | undefined,
    slot: number,
  ): Promise<Ended> {
    // The script makes the types fit another machine.
    const types = btf ?? this.#kernels.own
    if (types === undefined) throw this.#kernels.missing(machine)
    const files = new Map([[join(work, 'vmlinux.h'), await this.#vmlinux(types, false, slot)]])
    const command = [...shell(buildScript), object, clangNames[machine]]
    return this.#run({ view: this.#toolchain.build, command, files }, buildLimits, slot)
  }

  /** vmlinux.h of a BTF. A BTF that a client has sent is not trusted. */
  async #vmlinux(btf: Uint8Array, isSent: boolean, slot: number): Promise<Uint8Array> {
    const key = createHash('sha256').update(btf).digest('hex')
    const known = this.#types.get(key)
    if (known) return known
    const path = join(work, 'btf')
    const command = ['/usr/bin/bpftool', 'btf', 'dump', 'file', path, 'format', 'c']
    const run = { view: this.#toolchain.build, command, files: new Map([[path, btf]]) }
    const ended = await this.#run(run, this.#limits, slot)
    if (!ended.ok) {
      throw new MeshaccelError(diagnosticsOf(ended), {
        code: 'BAD_BTF',
        operation: isSent ? 'read the BTF of the request' : "read the BTF of the server's kernel",
        hint: 'A BTF is the content of /sys/kernel/btf/vmlinux of the target, or an ELF file with a section .BTF.',
      })
    }
    this.#types.set(key, ended.stdout, ended.stdout.length)
    return ended.stdout
  }

  #leastBtf(object: BuiltObject, btf: Uint8Array, slot: number): Promise<Ended> {
    const files = new Map([
      [object.path, object.content],
      [join(work, 'btf'), btf],
    ])
    const command = [...shell(leastBtfScript), object.path]
    return this.#run({ view: this.#toolchain.build, command, files }, this.#limits, slot)
  }

  #bpf2ts(object: BuiltObject, slot: number): Promise<Ended> {
    const command = ['/usr/bin/node', '--max-old-space-size=256', bpf2tsInside]
    return this.#run(
      {
        view: this.#toolchain.types,
        command: [...command, basename(object.path)],
        files: new Map([[object.path, object.content]]),
      },
      { ...nodeLimits, ...this.#limits, processes: nodeLimits.processes },
      slot,
    )
  }

  #run(run: Run, limits: Limits, slot: number): Promise<Ended> {
    return this.#sandbox.run(run, limits, slot)
  }
}

interface BuiltObject {
  readonly path: string
  readonly content: Uint8Array
}

const noObject = { ok: false, object: nothing, btf: nothing, types: '', notes: [] }

const shell = (script: string): string[] => ['/usr/bin/bash', '-c', script, 'compile']

const mentions = (content: Uint8Array, text: string): boolean =>
  Buffer.from(content.buffer, content.byteOffset, content.byteLength).includes(text)

/** The words of the program, without those of the shell around it, and with the limit that ended it. */
function diagnosticsOf({ stderr, limit }: Ended): string {
  const said = stderr.replaceAll(/^\/usr\/bin\/bash: line .*\n/gm, '').trimEnd()
  const ended = limit === undefined ? '' : `the compile service ended it at its limit: ${limit}`
  return [said, ended].filter((text) => text !== '').join('\n')
}
