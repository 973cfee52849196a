import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { cleanupKernelDatapath } from '../../../src/datapath/open.ts'
import { removeAll } from '../../../src/datapath/pins/pin-directory.ts'
import { requireRoot } from '../../helpers/requirements.ts'

void test('cleanup removes the pins of a self-test whose process has died', async (t) => {
  if (!requireRoot(t)) return
  const pinDir = `/sys/fs/bpf/meshaccel-test-dead-${process.pid}`
  const { pid: dead } = spawnSync('true')
  const [left, running] = [dead, process.pid].map((pid) => {
    const directory = `${pinDir}-selftest-${pid}-abcdef`
    mkdirSync(join(directory, 'partial'), { recursive: true })
    t.teardown(() => removeAll(directory))
    const shape = ['type', 'hash', 'key', '4', 'value', '4', 'entries', '1']
    const map = ['map', 'create', join(directory, 'partial/config'), ...shape]
    execFileSync('bpftool', [...map, 'name', 'meshaccel_config'.slice(0, 15)])
    return directory
  })
  await cleanupKernelDatapath(pinDir, { timeoutMs: 1000 })
  t.notOk(existsSync(left ?? ''), 'what a dead process has left is gone')
  t.ok(existsSync(running ?? ''), 'what a live one works on is there')
})
