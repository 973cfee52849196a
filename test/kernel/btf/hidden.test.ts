/** An agent that does not see /sys/kernel/btf/vmlinux, and agents with a BTF file. */
import { readFileSync, writeFileSync } from 'node:fs'
import { machine, release } from 'node:os'
import { join } from 'node:path'
import { Btf } from 'libbpf'
import { test } from 'tap'
import { makeBtf } from '../../../src/btf/make.ts'
import { acceleratesWithoutBtfFile, hidesBtf } from '../../helpers/hidden-btf.ts'
import { Mesh } from '../../helpers/mesh.ts'
import { requireRoot } from '../../helpers/requirements.ts'

const MOST_BYTES = 200 << 10

void test('with a minimal BTF it accelerates', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t)
  const folder = join(mesh.directory, 'btf')
  const made = makeBtf({ folder })
  t.match(made, { path: join(folder, machine(), `${release()}.btf`), release: release() })
  t.equal(made.bytes, readFileSync(made.path).length)
  t.ok(made.bytes < MOST_BYTES, `${made.bytes} bytes`)
  const log = await acceleratesWithoutBtfFile(mesh, '--btf', folder)
  t.match(log, `the kernel hides its types`)
  t.match(log, `fitted to the types in ${made.path}`)
})

void test('without one it takes the types from the kernel itself', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t)
  t.match(await acceleratesWithoutBtfFile(mesh), "fitted to the types in the kernel's memory")
})

void test('a file of another kernel is refused by name, and nothing is attached', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t)
  const made = makeBtf({ folder: mesh.directory })
  const other = readFileSync(made.path)
  const btf = new Btf(other)
  const sock = Buffer.from(btf.rawType(btf.find('struct', 'sock')))
  const at = other.indexOf(sock)
  other.writeUInt32LE(other.readUInt32LE(at + 8) + 8, at + 8)
  writeFileSync(made.path, other)
  const agent = await mesh.startAgent('--policy', 'auto', '--btf', made.path)
  const { state, refusedBecause } = await agent.status()
  t.equal(state, 'refused')
  t.match(refusedBecause, /fit the programs to .*: the kernel has another struct sock/)
})

void test('a folder without a file for this kernel', async (t) => {
  if (!requireRoot(t)) return
  const mesh = await Mesh.make(t)
  mesh.through = hidesBtf
  await t.rejects(mesh.startAgent('--btf', mesh.directory), {
    message: new RegExp(
      `there is no BTF file ${mesh.directory}/${machine()}/.*meshaccel btf SOURCE --dir DIR`,
      's',
    ),
  })
})
