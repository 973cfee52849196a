import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { gzipSync } from 'node:zlib'
import { requireTool } from '../../../src/btf/compression.ts'
import { kernelOfPackage } from '../../../src/btf/kernel-package.ts'

/** ar(5) with members of these names. */
function ar(members: Readonly<Record<string, Buffer>>): Buffer {
  const parts = Object.entries(members).map(([name, content]) => {
    const header = `${name.padEnd(16)}${'0'.padEnd(12)}${'0'.padEnd(6)}${'0'.padEnd(6)}${'100644'.padEnd(8)}`
    const size = `${String(content.length).padEnd(10)}\`\n`
    return Buffer.concat([
      Buffer.from(header + size),
      content,
      Buffer.from('\n'.repeat(content.length % 2)),
    ])
  })
  return Buffer.concat([Buffer.from('!<arch>\n'), ...parts])
}

const padded = (text: string): Buffer => Buffer.from(text + '\0'.repeat(-text.length & 3))

const entry = (name: string, content: string): Buffer => {
  const fields = [1, 0o100644, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length + 1, 0]
  const hex = fields.map((field) => field.toString(16).padStart(8, '0')).join('')
  return Buffer.concat([padded(`070701${hex}${name}\0`), padded(content)])
}

/** The newc format of cpio. */
function cpio(files: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat([
    ...Object.entries(files).map(([name, text]) => entry(name, text)),
    entry('TRAILER!!!', ''),
  ])
}

const header = (entries: number, store: number): Buffer => {
  const data = Buffer.alloc(16 + entries * 16 + store)
  data.writeUInt32BE(0x8eade801, 0)
  data.writeUInt32BE(entries, 8)
  data.writeUInt32BE(store, 12)
  return data
}

/** A lead, a signature header whose length needs padding, a header, and the payload. */
function rpm(payload: Buffer): Buffer {
  const lead = Buffer.alloc(96)
  lead.writeUInt32BE(0xedabeedb, 0)
  return Buffer.concat([lead, header(2, 5), Buffer.alloc(3), header(3, 7), payload])
}

const found = (content: Buffer): string | undefined =>
  kernelOfPackage(content, 'read it')?.toString()

void test('a Debian package', async (t) => {
  const directory = t.testdir()
  const pack = (...names: string[]): Buffer => {
    for (const name of names) {
      mkdirSync(join(directory, name, '..'), { recursive: true })
      writeFileSync(join(directory, name), `content of ${name}`)
    }
    execFileSync('tar', ['-czf', 'data.tar.gz', ...names], { cwd: directory })
    const control = Buffer.from('odd')
    return ar({
      'control.tar': control,
      'data.tar.gz': readFileSync(join(directory, 'data.tar.gz')),
    })
  }
  t.equal(found(pack('./boot/config-6.1', './boot/vmlinuz-6.1')), 'content of ./boot/vmlinuz-6.1')
  t.equal(
    found(pack('./boot/vmlinuz-6.1', './usr/lib/debug/boot/vmlinux-6.1')),
    'content of ./usr/lib/debug/boot/vmlinux-6.1',
    'a vmlinux comes first',
  )
  t.throws(() => found(pack('./boot/config-6.1', './usr/lib/vmlinux/readme')), {
    code: 'NO_KERNEL',
    hint: /linux-image-RELEASE/,
  })
  t.throws(() => found(ar({ 'debian-binary': Buffer.from('2.0\n') })), { code: 'BAD_DATA' })
  t.equal(found(Buffer.from('\x7fELF')), undefined, 'no package')
})

void test('an RPM package', async (t) => {
  const files = { './lib/modules/6.1/config': 'no', './lib/modules/6.1/vmlinuz': 'the kernel' }
  const packed = rpm(gzipSync(cpio(files)))
  try {
    requireTool('cpio', 'read it')
  } catch {
    t.throws(() => kernelOfPackage(packed, 'read it'), { code: 'NO_TOOL', hint: /install cpio/ })
    return
  }
  t.equal(kernelOfPackage(packed, 'read it')?.toString(), 'the kernel')
  t.throws(() => kernelOfPackage(rpm(gzipSync(cpio({}))), 'read it'), { code: 'NO_KERNEL' })
})

void test('a tool that is missing', async (t) => {
  const path = process.env['PATH']
  t.teardown(() => (process.env['PATH'] = path))
  process.env['PATH'] = ''
  t.throws(() => requireTool('xz', 'unpack it'), {
    code: 'NO_TOOL',
    message: 'unpack it: there is no command xz',
    hint: 'Install it: apt-get install xz-utils',
  })
})
