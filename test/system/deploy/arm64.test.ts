import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { packageRoot } from '../../../src/lib/package.ts'

/** The register with the first argument of a kernel function in a kprobe. LLVM writes it in hex since version 16. */
const firstArgument = { x86: /\(r1 \+ (?:112|0x70)\)/, arm64: /\(r1 \+ (?:0|0x0)\)/ }

void test('the BPF objects of the other kind of machine can be built on this one', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'build-bpf-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const run = (command: string, ...args: string[]): string => {
    const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
    t.equal(status, 0, stderr)
    return stdout
  }
  const other = process.arch === 'arm64' ? 'x86' : 'arm64'
  run('bash', join(packageRoot, 'scripts/build-bpf.sh'), directory, other)
  const kprobe = run(
    'llvm-objdump',
    '--disassemble',
    '--section=kprobe/tcp_splice_read',
    join(directory, 'bpf/meshaccel.bpf.o'),
  )
  t.match(kprobe, firstArgument[other])
})
