/** Opens and loads BPF objects, fitted to the types of this kernel (BTF). */
import { readFileSync } from 'node:fs'
import {
  BpfObject,
  Btf,
  kernelBtf,
  kernelFunctions,
  kernelTracepoints,
  type LoadedObject,
  type OpenObject,
  withKernelNumbers,
} from 'libbpf'
import { type BtfChoice, chooseBtf, kernelBtfPath, missingBtf } from '../lib/btf-choice.ts'
import { isExplained, MeshaccelError } from '../lib/errors.ts'

/** The types of this kernel, read once for several objects. */
export interface KernelTypes {
  open(objectPath: string): OpenObject
  load(object: OpenObject): LoadedObject
  /** Returns those of the named functions that the kernel has. */
  functions(names: readonly string[]): ReadonlySet<string>
  /** Returns those of the named tracepoints that the kernel has. */
  tracepoints(names: readonly string[]): ReadonlySet<string>
}

/**
 * The kernel's own types, or those of a file or folder that the user named. The kernel's own are needed in any case: they
 * have the numbers of the functions and structs that programs name to the kernel. A file without them would do for
 * programs that name nothing, and ours all do.
 */
export function kernelTypes(given?: string): KernelTypes {
  const choice = chooseBtf(given)
  if (choice.from === 'missing') {
    const { found, mend } = missingBtf(choice.path)
    throw new MeshaccelError(found, { code: 'NO_BTF', operation: 'read BTF', hint: mend })
  }
  const hidden = readHidden()
  const btf =
    choice.from === 'file' ? fitted(choice, hidden ?? readFileSync(kernelBtfPath)) : undefined
  return {
    open: (objectPath) => BpfObject.open(objectPath, btf === undefined ? {} : { btf }),
    load: (object) => object.load(hidden === undefined ? {} : { kernelBtf: hidden }),
    functions: (names) => kernelFunctions(names, hidden),
    tracepoints: (names) => kernelTracepoints(names, hidden),
  }
}

/** The kernel's types if it hides its file; undefined if the file is there. */
function readHidden(): Uint8Array | undefined {
  if (chooseBtf().from === 'sysfs') return undefined
  const data = kernelBtf()
  if (data) return data
  throw new MeshaccelError('the kernel has none', {
    code: 'NO_BTF',
    operation: 'read the BTF of the kernel',
    hint: 'Boot a kernel with CONFIG_DEBUG_INFO_BTF=y.',
  })
}

function fitted({ path }: Extract<BtfChoice, { path: string }>, kernel: Uint8Array): Uint8Array {
  try {
    return withKernelNumbers(Btf.fromFile(path), new Btf(kernel))
  } catch (cause) {
    throw new MeshaccelError(cause instanceof Error ? cause.message : String(cause), {
      code: isExplained(cause) ? cause.code : 'BAD_BTF',
      operation: `fit the programs to ${path}`,
      hint: 'Make one from this very kernel: `meshaccel btf --help`. Or leave --btf out: the kernel has its own.',
      cause,
    })
  }
}
