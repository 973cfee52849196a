import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { cli } from '../../helpers/agent-process.ts'
import { requireRoot } from '../../helpers/requirements.ts'

/**
 * Simulates a node that is a container: sysfs has nothing at fs/bpf and is shared with the container, which mounts
 * there. Prints the type of the file system on the node after that.
 */
const nested = `
set -eu
node=$1
shift
mount --make-rprivate /
mount --make-shared -t sysfs sysfs "$node"
"$@" >&2
"$@" >&2
stat --file-system --format %T "$node/fs/bpf"`

/** The container: its own mount namespace, bound with the propagation \`Bidirectional\`. */
const container = `
set -eu
where=$1
shift
mount --rbind "$where" /mnt
exec "$@" /mnt`

void test('bpffs that the container mounts is there on the node, and once', async (t) => {
  if (!requireRoot(t)) return
  const node = mkdtempSync(join(tmpdir(), 'node-'))
  t.teardown(() => rmdirSync(node))
  const inContainer = ['unshare', '--mount', '--propagation', 'unchanged', 'sh', '-c', container]
  const command = [process.execPath, cli, 'mount-bpffs']
  const args = ['-c', nested, 'node', node, ...inContainer, 'container', join(node, 'fs/bpf')]
  const { status, stdout, stderr } = spawnSync('unshare', ['--mount', 'sh', ...args, ...command], {
    encoding: 'utf8',
  })
  t.equal(status, 0, stderr)
  t.equal(stdout.trim(), 'bpf_fs')
  t.match(stderr, /bpffs is mounted at \/mnt\n[^]*bpffs is there already at \/mnt\n/)
})
