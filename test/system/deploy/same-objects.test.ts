import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { test } from 'tap'
import { packageRoot } from '../../../src/lib/package.ts'

/** The root of arm64 guests (test/system/kernels/arm64-root.sh), which has a compiler. */
const root = join(packageRoot, 'build/kernels/root-arm64')
const emulator = 'qemu-aarch64-static'
const paths = (process.env['PATH'] ?? '').split(delimiter)
const lacks = !paths.some((path) => existsSync(join(path, emulator)))
  ? `${emulator} (Debian's qemu-user-static) is missing`
  : !existsSync(root)
    ? 'build/kernels/root-arm64 is missing: test/system/kernels/arm64-root.sh makes it'
    : version('clang') !== version(emulator, '-L', root, join(root, 'usr/bin/clang'))
      ? "this machine's clang is another one than that of build/kernels/root-arm64"
      : false

function version(command: string, ...args: string[]): string {
  const { stdout } = spawnSync(command, [...args, '--version'], { encoding: 'utf8' })
  return stdout.split('\n')[0] ?? ''
}

void test('an arm64 machine builds the same objects as this one', { skip: lacks }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'same-objects-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const build = (name: string, ...before: string[]): string[] => {
    const target = join(directory, name)
    const args = [...before, 'scripts/build-bpf.sh', target, 'x86']
    const { status, stderr } = spawnSync('bash', args, { cwd: packageRoot, encoding: 'utf8' })
    t.equal(status, 0, stderr)
    return ['meshaccel', 'measure', 'layout'].map((object) =>
      createHash('sha256')
        .update(readFileSync(join(target, `bpf/${object}.bpf.o`)))
        .digest('hex'),
    )
  }
  const here = build('here')
  t.same(build('there', 'test/system/kernels/as-arm64.sh', 'bash'), here)
})
