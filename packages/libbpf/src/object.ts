import { accessSync, constants as fsConstants, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { attachStructOps } from './attach/struct-ops.ts'
import { LibbpfError } from './base-error.ts'
import { Btf } from './btf.ts'
import type { Codec } from './codec.ts'
import { check, checkNode, checkPointer, loadError } from './error.ts'
import * as ffi from './ffi.ts'
import { Fd, Handle } from './handle.ts'
import { withKernelBtf } from './kernel-types/kernel-btf.ts'
import { readInitial, readLoaded, writeInitial } from './globals.ts'
import type { Attachment } from './link.ts'
import { memoryFile } from './libc.ts'
import { startLog, takeLog } from './log.ts'
import { AnyMap, BpfMap } from './map.ts'
import { Program } from './program.ts'

/** The libbpf object behind both states. */
abstract class ObjectHandle extends Handle {
  protected readonly pointer: ffi.Ptr<'bpf_object'>
  #btf: Btf | undefined

  constructor(what: string, pointer: ffi.Ptr<'bpf_object'>) {
    super(what)
    this.pointer = pointer
  }

  /** The object's types; see `structLayout`. */
  get btf(): Btf {
    this.assertLive()
    return (this.#btf ??= Btf.fromPointer(
      checkPointer(`read BTF of ${this.what}`, () => ffi.bpf_object__btf(this.pointer)),
    ))
  }

  /** Names of the programs, in the order of the file. */
  get programNames(): string[] {
    this.assertLive()
    const names: string[] = []
    let at = ffi.bpf_object__next_program(this.pointer, null)
    for (; at !== null; at = ffi.bpf_object__next_program(this.pointer, at)) {
      names.push(ffi.bpf_program__name(at))
    }
    return names
  }

  /** Names of the maps, those of global data included (`name.rodata`). */
  get mapNames(): string[] {
    this.assertLive()
    const names: string[] = []
    let at = ffi.bpf_object__next_map(this.pointer, null)
    for (; at !== null; at = ffi.bpf_object__next_map(this.pointer, at)) {
      names.push(ffi.bpf_map__name(at))
    }
    return names
  }

  protected findProgram(name: string): ffi.Ptr<'bpf_program'> {
    this.assertLive(`find program ${name}`)
    startLog()
    return (
      ffi.bpf_object__find_program_by_name(this.pointer, name) ??
      this.#missing('program', name, this.programNames)
    )
  }

  protected findMap(name: string): ffi.Ptr<'bpf_map'> {
    this.assertLive(`find map ${name}`)
    startLog()
    return (
      ffi.bpf_object__find_map_by_name(this.pointer, name) ??
      this.#missing('map', name, this.mapNames)
    )
  }

  protected override release(): void {
    ffi.bpf_object__close(this.pointer)
  }

  #missing(kind: string, name: string, names: readonly string[]): never {
    throw new LibbpfError(`the object has no ${kind} of this name`, {
      code: `NO_SUCH_${kind.toUpperCase()}`,
      operation: `find ${kind} ${name}`,
      hint: `It has: ${names.join(', ')}.`,
    })
  }
}

/**
 * An object that is read but not in the kernel yet: the time to set constants, sizes and pins. `load()` consumes it,
 * whether it succeeds or not.
 */
export class OpenObject extends ObjectHandle {
  /** libbpf reads it during `load()`. */
  readonly #btfFile: Fd | undefined

  constructor(what: string, pointer: ffi.Ptr<'bpf_object'>, btfFile?: Fd) {
    super(what, pointer)
    this.#btfFile = btfFile
  }

  /** Sets a global variable by name: `const volatile` ones get the value they keep. */
  setGlobal<T>(name: string, codec: Codec<T>, value: T): void {
    this.assertLive(`set global ${name}`)
    writeInitial(this.pointer, this.btf, name, codec, value)
  }

  /** The value of a global variable as it will be loaded. */
  getGlobal<T>(name: string, codec: Codec<T>): T {
    this.assertLive(`read global ${name}`)
    return readInitial(this.pointer, this.btf, name, codec)
  }

  /** Whether `load()` loads the program. */
  setAutoload(program: string, on: boolean): void {
    const pointer = this.findProgram(program)
    check(`set autoload of ${program}`, () => ffi.bpf_program__set_autoload(pointer, on))
  }

  /** Whether `load()` creates the map; a program that uses a map that is not there must not be loaded. */
  setAutocreate(map: string, on: boolean): void {
    const pointer = this.findMap(map)
    check(`set autocreate of ${map}`, () => ffi.bpf_map__set_autocreate(pointer, on))
  }

  /** Sets how many elements the map will have room for; for a ring buffer its bytes. */
  setMaxEntries(map: string, count: number): void {
    const pointer = this.findMap(map)
    check(`set max_entries of ${map}`, () => ffi.bpf_map__set_max_entries(pointer, count))
  }

  /** `load()` takes the map pinned there if it has the same shape (else EINVAL), or creates and pins it. */
  setPinPath(map: string, path: string): void {
    const pointer = this.findMap(map)
    check(`set pin path of ${map}`, () => ffi.bpf_map__set_pin_path(pointer, path))
  }

  /** `load()` uses this map instead of creating one. */
  reuseMap(map: string, existing: AnyMap): void {
    const pointer = this.findMap(map)
    check(`reuse ${existing.what} for ${map}`, () => ffi.bpf_map__reuse_fd(pointer, existing.fd))
  }

  /** Creates the maps and loads the programs. A program that the verifier refuses throws a VerifierError. */
  load({ kernelBtf }: LoadOptions = {}): LoadedObject {
    const operation = `load ${this.what}`
    this.assertLive(operation)
    const load = (): number => {
      startLog()
      return ffi.bpf_object__load(this.pointer)
    }
    const result = kernelBtf === undefined ? load() : withKernelBtf(kernelBtf, load)
    this.#btfFile?.[Symbol.dispose]()
    if (result < 0) {
      const log = takeLog()
      this[Symbol.dispose]()
      throw loadError(operation, -result, log)
    }
    this.abandon()
    return new LoadedObject(this.what, this.pointer)
  }

  protected override release(): void {
    super.release()
    this.#btfFile?.[Symbol.dispose]()
  }
}

/** An object in the kernel. Disposing closes its maps and programs; links and pins keep what they need. */
export class LoadedObject extends ObjectHandle {
  /** A map, its keys and values seen through codecs. It ends with the object. */
  map<K, V>(name: string, key: Codec<K>, value: Codec<V>): BpfMap<K, V> {
    return new BpfMap(name, this.#mapFd(name), key, value)
  }

  /** A map without codecs: to attach to, to iterate over, to pin. It ends with the object. */
  anyMap(name: string): AnyMap {
    return new AnyMap(name, this.#mapFd(name))
  }

  /** Whether the program was loaded: `setAutoload` may have left it out. */
  isLoaded(program: string): boolean {
    return ffi.bpf_program__fd(this.findProgram(program)) >= 0
  }

  /** A program. It ends with the object. */
  program(name: string): Program {
    const pointer = this.findProgram(name)
    const number = check(
      `find program ${name}`,
      () => ffi.bpf_program__fd(pointer),
      'It was not loaded: setAutoload(name, false) leaves it out.',
    )
    return new Program(
      name,
      new Fd(number, `program ${name}`, this),
      ffi.bpf_program__expected_attach_type(pointer),
    )
  }

  /**
   * Registers the table of functions of a `SEC(".struct_ops")` variable with the kernel, by the variable's name. The result outlives the object. Linux 5.6; `SEC(".struct_ops.link")`, whose link can be pinned, needs Linux 6.4 and
   * libbpf 1.2. Throws EEXIST when the kernel has a table of this name.
   */
  attachStructOps(name: string): Attachment {
    return attachStructOps(this.findMap(name), name)
  }

  /** The value of a global variable as the programs see it now. */
  getGlobal<T>(name: string, codec: Codec<T>): T {
    this.assertLive(`read global ${name}`)
    return readLoaded(this.pointer, this.btf, name, codec)
  }

  #mapFd(name: string): Fd {
    const pointer = this.findMap(name)
    const number = check(
      `find map ${name}`,
      () => ffi.bpf_map__fd(pointer),
      'It was not created: setAutocreate(name, false) leaves it out.',
    )
    return new Fd(number, `map ${name}`, this)
  }
}

/** How an object is loaded. */
export interface LoadOptions {
  /**
   * The kernel's BTF, where /sys/kernel/btf/vmlinux cannot be read: `kernelBtf()`. Programs that are attached by BTF, and
   * kfuncs, are found in it. While the object loads, this thread has a mount namespace of its own. Needs CAP_SYS_ADMIN.
   */
  readonly kernelBtf?: Uint8Array
}

/** How an object is read. */
export interface OpenOptions {
  /** The object's name; by default the file's up to its first dot. Its first 8 characters name the data maps. */
  readonly name?: string
  /**
   * A BTF file, ELF or raw, to relocate CO-RE accesses against, for kernels without /sys/kernel/btf/vmlinux. Programs that
   * are attached by BTF (tp_btf, fentry, iterators, struct_ops) need the kernel's own BTF anyway: see
   * `LoadOptions.kernelBtf`.
   */
  readonly btfPath?: string
  /** The same from memory: the content of such a file. */
  readonly btf?: Uint8Array
}

/** Where objects come from. */
export const BpfObject: {
  /** Reads a BPF ELF object from a file or from memory. */
  open(source: string | Uint8Array, options?: OpenOptions): OpenObject
} = {
  open(source, options = {}) {
    const fileName = typeof source === 'string' ? basename(source).replace(/\..*$/, '') : 'object'
    const name = options.name ?? fileName
    const operation = `open BPF object ${typeof source === 'string' ? source : name}`
    const image =
      typeof source === 'string'
        ? checkNode(
            operation,
            () => readFileSync(source),
            'Build it first: `clang -target bpf -O2 -g -c`.',
          )
        : source
    const { btfPath, btf } = options
    if (btfPath !== undefined && btf !== undefined) {
      throw new LibbpfError('btfPath and btf are two sources', {
        code: 'TWO_BTFS',
        operation,
        hint: 'Give one of them.',
      })
    }
    if (btfPath !== undefined) {
      const hint = 'Give a BTF file of the running kernel, for instance from BTFHub.'
      checkNode(`read BTF ${btfPath}`, () => accessSync(btfPath, fsConstants.R_OK), hint)
    }
    const btfFile = btf === undefined ? undefined : memoryFile(`BTF for ${name}`, btf)
    const opts = {
      sz: ffi.sizeofOpts('bpf_object_open_opts'),
      object_name: name,
      btf_custom_path:
        btfFile === undefined ? (btfPath ?? null) : `/proc/self/fd/${btfFile.number}`,
    }
    try {
      const pointer = checkPointer(operation, () =>
        ffi.bpf_object__open_mem(image, image.length, opts),
      )
      return new OpenObject(`object ${name}`, pointer, btfFile)
    } catch (error) {
      btfFile?.[Symbol.dispose]()
      throw error
    }
  },
}
