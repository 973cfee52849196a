import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { execFileSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { PluginBinary, removeBinary } from '../../../cni/binary.ts'
import { pluginType } from '../../../cni/conflist.ts'
import { chain, content, nodeWith } from '../../helpers/cni-dirs.ts'
import { listWith } from '../../helpers/cni-installers.ts'
import { cniPlugin } from '../../helpers/cni-plugin.ts'
import { requireRoot } from '../../helpers/requirements.ts'

void test('provided, kept, and removed with what a killed writer left', async (t) => {
  const { bin } = nodeWith(t, {}, [])
  const path = join(bin, pluginType)
  const binary = new PluginBinary(cniPlugin)
  t.ok(binary.provide(bin))
  t.notOk(binary.provide(bin))
  t.equal(statSync(path).mode & 0o777, 0o755)
  chmodSync(path, 0o644)
  t.ok(binary.provide(bin), 'it must be executable')
  t.equal(statSync(path).mode & 0o777, 0o755)
  writeFileSync(path, readFileSync(path).fill(0))
  t.ok(binary.provide(bin), 'of the same size, but another one')
  t.ok(readFileSync(path).equals(readFileSync(cniPlugin)))
  writeFileSync(join(bin, `.${pluginType}.meshaccel-0123456789ab`), '')
  writeFileSync(join(bin, 'ptp'), '')
  t.ok(removeBinary(bin))
  t.notOk(removeBinary(bin))
  t.strictSame(readdirSync(bin), ['ptp'])
})

void test('a directory that cannot be written, or has no room: the entry is taken out', async (t) => {
  if (!requireRoot(t)) return
  const list = listWith('ptp')
  for (const options of ['ro', 'size=64k']) {
    const node = nodeWith(t, { '10-a.conflist': list }, [])
    mkdirSync(join(node.bin, 'mounted'))
    const bin = mkdtempSync(join(tmpdir(), 'cni-bin-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'meshaccel-test', bin])
    t.teardown(() => {
      execFileSync('umount', [bin])
      rmSync(bin, { recursive: true })
    })
    const there = { ...node, bin }
    writeFileSync(join(bin, 'ptp'), '', { mode: 0o755 })
    chain(there)
    if (options === 'ro') {
      rmSync(join(bin, pluginType))
      execFileSync('mount', ['-o', 'remount,ro', bin])
    } else {
      rmSync(join(bin, pluginType))
      execFileSync('mount', ['-o', `remount,${options}`, bin])
      writeFileSync(join(bin, 'others'), Buffer.alloc(60 << 10))
    }
    t.throws(() => chain(there), { code: 'CNI_BIN_DIR', hint: /must be writable/ }, options)
    t.strictSame(content(node.conf), { '10-a.conflist': list })
    t.notOk(
      readdirSync(bin).some((name) => name.includes(pluginType)),
      'nothing is left half written',
    )
  }
})
