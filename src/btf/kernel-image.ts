/** Finds the types in a kernel: in a vmlinux, in a compressed image of one (vmlinuz), or in a BTF file. */
import { MeshaccelError } from '../lib/errors.ts'
import { unpack } from './compression.ts'

const ELF = Buffer.from('\x7fELF', 'latin1')
/** The header of version 1: magic, version, flags, and the length of the header. */
const BTF = Buffer.from([0x9f, 0xeb, 1, 0, 24, 0, 0, 0])
const HEADER_BYTES = 24
/** The types of a kernel take megabytes; those of a module or of a BPF object in it do not. */
const LEAST_BYTES = 1 << 20
const BANNER = Buffer.from('Linux version ')

export interface KernelImage {
  /** An ELF file with a section .BTF, or BTF. */
  readonly data: Uint8Array
  /** The release that the kernel itself names; undefined in a BTF file, which has none. */
  readonly release: string | undefined
}

/** Takes the content of a vmlinux, a vmlinuz or a BTF file. Throws NO_BTF if there are no types in it. */
export function kernelImage(content: Uint8Array, operation: string): KernelImage {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength)
  if (bytes.subarray(0, BTF.length).equals(BTF)) return { data: bytes, release: undefined }
  const unpacked = unpack(payload(bytes), operation)
  const kernel = Buffer.from(unpacked.buffer, unpacked.byteOffset, unpacked.byteLength)
  const release = releaseOf(kernel)
  if (kernel.subarray(0, ELF.length).equals(ELF)) {
    // bpftool reads the section. It may also be missing.
    if (kernel.includes('.BTF\0')) return { data: kernel, release }
  } else {
    // An image of arm64 has no sections.
    const data = largestBtf(kernel)
    if (data) return { data, release }
  }
  throw new MeshaccelError('there are no kernel types (BTF) in it', {
    code: 'NO_BTF',
    operation,
    hint:
      'The kernel needs CONFIG_DEBUG_INFO_BTF=y. Give a vmlinux, a vmlinuz, a kernel package (.deb, .rpm) or ' +
      'a BTF file.',
  })
}

/** The compressed kernel in a boot image, or all of it where it is none. */
function payload(image: Buffer): Buffer {
  // Documentation/arch/x86/boot.rst: the header `HdrS`, with payload_offset from version 2.08 on.
  if (image.length > 0x250 && image.toString('latin1', 0x202, 0x206) === 'HdrS') {
    const setupSectors = image[0x1f1] || 4
    const begin = (setupSectors + 1) * 512 + image.readUInt32LE(0x248)
    return image.subarray(begin, begin + image.readUInt32LE(0x24c))
  }
  // drivers/firmware/efi/libstub/zboot-header.S: `MZ`, `zimg`, the offset and the size of the payload.
  if (image.length > 0x20 && image.toString('latin1', 4, 8) === 'zimg') {
    const begin = image.readUInt32LE(8)
    return image.subarray(begin, begin + image.readUInt32LE(12))
  }
  return image
}

function largestBtf(kernel: Buffer): Buffer | undefined {
  let found: Buffer | undefined
  for (let at = kernel.indexOf(BTF); at >= 0; at = kernel.indexOf(BTF, at + 1)) {
    if (at + HEADER_BYTES > kernel.length) continue
    const [types, strings] = [kernel.readUInt32LE(at + 12), kernel.readUInt32LE(at + 20)]
    const isWhole = kernel.readUInt32LE(at + 8) === 0 && kernel.readUInt32LE(at + 16) === types
    const size = HEADER_BYTES + types + strings
    if (!isWhole || at + size > kernel.length || size < LEAST_BYTES) continue
    if (!found || size > found.length) found = kernel.subarray(at, at + size)
  }
  return found
}

/** The kernel's banner, which /proc/version shows: `Linux version 6.12.95+deb12-cloud-amd64 (...)`. */
function releaseOf(kernel: Buffer): string | undefined {
  for (let at = kernel.indexOf(BANNER); at >= 0; at = kernel.indexOf(BANNER, at + 1)) {
    const text = kernel.toString('latin1', at + BANNER.length, at + BANNER.length + 80)
    const release = /^(\d+\.\d+[^\s%]*) \(/.exec(text)?.[1]
    if (release !== undefined) return release
  }
  return undefined
}
