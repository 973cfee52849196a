import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { CaptureFile } from '../../../../src/cli/capture/capture-file.ts'

function place(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'capture-file-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  return directory
}

void test('a file has its name once it is complete, and replaces an older one', async (t) => {
  const path = join(place(t), 'cart.pcapng')
  writeFileSync(path, 'old')
  const file = new CaptureFile(path)
  file.write(Buffer.from('new'))
  t.equal(readFileSync(path, 'utf8'), 'old')
  file.complete()
  t.equal(readFileSync(path, 'utf8'), 'new')
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.equal(file.abandon(), undefined, 'nothing is left to give up')
  t.ok(existsSync(path))
})

void test('a capture that is given up keeps its packets under another name', async (t) => {
  const directory = place(t)
  const path = join(directory, 'cart.pcapng')
  const empty = new CaptureFile(path)
  t.equal(empty.abandon(), undefined)
  t.strictSame(readdirSync(directory), [])
  const file = new CaptureFile(path)
  file.write(Buffer.from('packets'))
  const kept = file.abandon() ?? ''
  t.match(kept, /cart\.pcapng\.partial-\d+$/)
  t.equal(readFileSync(kept, 'utf8'), 'packets')
  t.notOk(existsSync(path))
})

void test('a device is written directly, and what cannot be written is an error', async (t) => {
  const device = new CaptureFile('/dev/null')
  device.write(Buffer.from('packets'))
  device.complete()
  t.notOk(statSync('/dev/null').isFile())
  if (existsSync('/dev/full')) {
    const full = new CaptureFile('/dev/full')
    t.throws(() => full.write(Buffer.from('packets')), {
      code: 'WRITE_FAILED',
      hint: /Free some space/,
    })
    full.abandon()
  }
  const directory = place(t)
  t.throws(() => new CaptureFile(directory), { code: 'CANNOT_WRITE' })
  t.throws(() => new CaptureFile(join(directory, 'no', 'file')), { code: 'CANNOT_WRITE' })
})
