import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { cli } from '../../helpers/agent-process.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { patience } from '../../helpers/retry.ts'

void test("the bench runs in a directory that the sidecars' user may not enter", async (t) => {
  if (!requireRoot(t)) return
  // Like root's home: mode 0700.
  const cwd = mkdtempSync(join('/root', '.meshaccel-private-'))
  t.teardown(() => rmSync(cwd, { recursive: true }))
  const pace = ['--quick', '--duration', '0.3', '--rounds', '1']
  const load = ['--modes', 'iptables', '--connections', '2', '--payload', '81']
  const { status, stderr } = spawnSync(process.execPath, [cli, 'bench', ...pace, ...load], {
    cwd,
    encoding: 'utf8',
    timeout: 120_000 * patience,
  })
  t.match(stderr, /round 1: keepalive 81 B x 2, iptables: \d+ requests\/s/)
  t.equal(status, 0, stderr)
})
