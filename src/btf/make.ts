/** Makes a minimal BTF file: the kernel's types that our programs use, and no others. */
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { machine as thisMachine, release as thisRelease, tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { Btf, kernelBtf } from 'libbpf'
import { btfFile, chooseBtf, kernelBtfPath } from '../lib/btf-choice.ts'
import { MeshaccelError } from '../lib/errors.ts'
import { makeDirectory } from '../lib/make-directory.ts'
import { packageRoot } from '../lib/package.ts'
import { type KernelImage, kernelImage } from './kernel-image.ts'
import { kernelOfPackage } from './kernel-package.ts'

/** The objects that are fitted to the kernel's types. */
const OBJECTS = ['meshaccel.bpf.o', 'measure.bpf.o']

export interface MakeOptions {
  /** A vmlinux, vmlinuz, BTF file or kernel package; by default this machine's kernel. */
  readonly source?: string | undefined
  /** The folder to write to. */
  readonly folder: string
  /** The kernel's release, where the source does not name it. */
  readonly release?: string | undefined
  /** The directory of the BPF objects; by default those of this machine. */
  readonly objects?: string | undefined
}

export interface MadeBtf {
  readonly path: string
  readonly source: string
  readonly machine: string
  readonly release: string
  readonly bytes: number
}

export function makeBtf(options: MakeOptions): MadeBtf {
  const source = options.source ?? "this machine's kernel"
  const operation = `make BTF from ${source}`
  const image = imageOf(options.source, operation)
  const scratch = mkdtempSync(join(tmpdir(), 'meshaccel-btf-'))
  try {
    const whole = join(scratch, 'kernel')
    writeFileSync(whole, image.data)
    const machine = machineOf(whole, operation)
    const release = options.release ?? image.release ?? named(options.source)
    if (release === undefined) {
      throw new MeshaccelError('it does not name its release', {
        code: 'NO_RELEASE',
        operation,
        hint: 'Add --release, with the output of `uname -r` on the machines that run this kernel.',
      })
    }
    const least = join(scratch, 'least')
    reduce(whole, least, objectsFor(machine, options.objects, operation), operation)
    const path = btfFile(options.folder, { machine, release })
    put(least, path)
    return { path, source, machine, release, bytes: statSync(path).size }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

const imageOf = (source: string | undefined, operation: string): KernelImage =>
  source === undefined || source === kernelBtfPath ? ownKernel(operation) : read(source, operation)

function ownKernel(operation: string): KernelImage {
  const data = chooseBtf().from === 'sysfs' ? readFileSync(kernelBtfPath) : kernelBtf()
  if (data) return { data, release: thisRelease() }
  throw new MeshaccelError('this kernel has no types (BTF)', {
    code: 'NO_BTF',
    operation,
    hint: 'Boot a kernel with CONFIG_DEBUG_INFO_BTF=y, or name another source.',
  })
}

function read(source: string, operation: string): KernelImage {
  let content: Buffer
  try {
    content = readFileSync(source)
  } catch (cause) {
    throw new MeshaccelError(cause instanceof Error ? cause.message : String(cause), {
      code: 'ENOENT',
      operation,
      hint: 'Give a vmlinux, a vmlinuz, a kernel package (.deb, .rpm) or a BTF file.',
      cause,
    })
  }
  return kernelImage(kernelOfPackage(content, operation) ?? content, operation)
}

/** The release in the name of a BTF file: BTFHub names its files so, and so do we. */
const named = (source: string | undefined): string | undefined =>
  /^(\d+\.\d+\S*)\.btf$/.exec(basename(source ?? ''))?.[1]

/** Reads it from the types, because a BTF file says nothing else. Only arm64 has this struct. */
function machineOf(path: string, operation: string): string {
  const btf = readBtf(path, operation)
  for (const { name } of btf.structs()) if (name === 'user_pt_regs') return 'aarch64'
  return 'x86_64'
}

function readBtf(path: string, operation: string): Btf {
  try {
    return Btf.fromFile(path)
  } catch (cause) {
    throw new MeshaccelError('its types (BTF) cannot be read', {
      code: 'BAD_BTF',
      operation,
      hint: 'The file may be incomplete, or made for a machine of another byte order.',
      cause,
    })
  }
}

function objectsFor(machine: string, given: string | undefined, operation: string): string[] {
  if (given === undefined && machine !== thisMachine()) {
    throw new MeshaccelError(
      `it is a kernel for ${machine}, and this machine is ${thisMachine()}`,
      {
        code: 'OTHER_MACHINE',
        operation,
        hint:
          `Name the BPF objects for ${machine} by --objects: ` +
          '`scripts/build-bpf.sh DIR arm64` builds them into DIR/bpf, and the image for that machine has them.',
      },
    )
  }
  const directory = given ?? join(packageRoot, 'build/bpf')
  return OBJECTS.map((name) => {
    const path = join(directory, name)
    if (existsSync(path)) return path
    throw new MeshaccelError(`there is no BPF object ${path}`, {
      code: 'ENOENT',
      operation,
      hint: 'Build it with `npm run setup`, or name its directory by --objects.',
    })
  })
}

function reduce(whole: string, least: string, objects: readonly string[], operation: string): void {
  const args = ['gen', 'min_core_btf', whole, least, ...objects]
  const { error, status, stderr } = spawnSync('bpftool', args, { encoding: 'utf8' })
  if (error) {
    throw new MeshaccelError('there is no command bpftool', {
      code: 'NO_TOOL',
      operation,
      hint: 'Install it: apt-get install bpftool (Ubuntu: linux-tools-common). The container image has one.',
      cause: error,
    })
  }
  if (status === 0) return
  throw new MeshaccelError(`bpftool gen min_core_btf failed: ${stderr.trim()}`, {
    code: 'BPFTOOL',
    operation,
    hint: 'It needs bpftool 5.18 or newer, and a kernel that has the types that the programs use.',
  })
}

/** An agent that starts now finds the old file or the whole new one. */
function put(file: string, path: string): void {
  makeDirectory(dirname(path), 0o755)
  const next = `${path}.${process.pid}`
  writeFileSync(next, readFileSync(file))
  renameSync(next, path)
}
