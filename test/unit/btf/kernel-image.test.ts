import { gzipSync } from 'node:zlib'
import { test } from 'tap'
import { kernelImage } from '../../../src/btf/kernel-image.ts'

const BANNER = 'Linux version 6.12.95+deb12-cloud-amd64 (debian-kernel@lists.debian.org) (gcc)'
const FORMAT = 'Linux version %s (%s)\0'

/** BTF of this size, as far as its header tells. */
function btf(types: number): Buffer {
  const data = Buffer.alloc(24 + types + 8)
  data.writeUInt16LE(0xeb9f, 0)
  data.writeUInt8(1, 2)
  data.writeUInt32LE(24, 4)
  data.writeUInt32LE(types, 12)
  data.writeUInt32LE(types, 16)
  data.writeUInt32LE(8, 20)
  return data
}

const elf = Buffer.from(`\x7fELF ${FORMAT} ${BANNER} .symtab\0.BTF\0`, 'latin1')
const whole = btf(1 << 20)

/** Documentation/arch/x86/boot.rst */
function bzImage(payload: Buffer): Buffer {
  const image = Buffer.alloc(0x600)
  image.writeUInt8(1, 0x1f1)
  image.write('HdrS', 0x202)
  image.writeUInt32LE(0x200, 0x248)
  image.writeUInt32LE(payload.length, 0x24c)
  return Buffer.concat([image, payload, Buffer.from('behind it')])
}

function zboot(payload: Buffer): Buffer {
  const image = Buffer.alloc(0x40)
  image.write('MZ\0\0zimg', 0)
  image.writeUInt32LE(image.length, 8)
  image.writeUInt32LE(payload.length, 12)
  return Buffer.concat([image, payload])
}

function found(content: Buffer): unknown {
  const image = kernelImage(content, 'read it')
  return { ...image, data: Buffer.from(image.data).toString('base64') }
}

void test('where the types of a kernel are', async (t) => {
  const release = '6.12.95+deb12-cloud-amd64'
  const inElf = { data: elf.toString('base64'), release }
  t.strictSame(found(elf), inElf, 'a vmlinux')
  t.strictSame(found(bzImage(gzipSync(elf))), inElf, 'a bzImage of x86')
  t.strictSame(found(gzipSync(elf)), inElf, 'a packed vmlinux')

  const raw = Buffer.concat([Buffer.from(BANNER), btf(40), whole, Buffer.from('more')])
  const inRaw = { data: whole.toString('base64'), release }
  t.strictSame(found(raw), inRaw, 'an Image of arm64: the types are somewhere in it')
  t.strictSame(found(zboot(gzipSync(raw))), inRaw, 'as an EFI program')
  t.strictSame(found(btf(40)), { data: btf(40).toString('base64'), release: undefined }, 'BTF')
})

void test('kernels without types, and other files', async (t) => {
  const without = Buffer.from(`\x7fELF ${BANNER} .symtab\0`, 'latin1')
  for (const content of [without, Buffer.from('hello'), Buffer.alloc(0), btf(40).subarray(1)]) {
    t.throws(() => kernelImage(content, 'read it'), {
      code: 'NO_BTF',
      message: 'read it: there are no kernel types (BTF) in it',
      hint: /CONFIG_DEBUG_INFO_BTF=y/,
    })
  }
  t.throws(() => kernelImage(gzipSync(elf).subarray(0, 20), 'read it'), { code: 'BAD_DATA' })
  const cut = Buffer.concat([Buffer.from(BANNER), whole.subarray(0, -1)])
  t.throws(() => kernelImage(cut, 'read it'), { code: 'NO_BTF' }, 'types that are cut off')
})
