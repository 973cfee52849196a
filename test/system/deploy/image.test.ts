import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { parseAllDocuments } from 'yaml'
import { findCgroup2 } from '../../../src/lib/cgroup.ts'
import { packageRoot, version } from '../../../src/lib/package.ts'
import { cli } from '../../helpers/agent-process.ts'
import { requireRoot } from '../../helpers/requirements.ts'

interface Manifest {
  readonly kind: string
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly containers: readonly [
          { readonly securityContext: { readonly capabilities: { readonly add: string[] } } },
        ]
      }
    }
  }
}

/** The rights that the chart gives the agent. */
function agentCapabilities(): string[] {
  const text = readFileSync(join(packageRoot, 'deploy/manifests.yaml'), 'utf8')
  const manifests = parseAllDocuments(text).map((document): Manifest => document.toJS())
  const agents = manifests.find((manifest) => manifest?.kind === 'DaemonSet')
  return agents?.spec.template.spec.containers[0].securityContext.capabilities.add ?? []
}

function imageRoot(t: Test): string {
  const root = mkdtempSync(join(tmpdir(), 'image-'))
  t.teardown(() => rmSync(root, { recursive: true }))
  const script = join(packageRoot, 'scripts/image-root.sh')
  const { status, stderr } = spawnSync('bash', [script, root], { encoding: 'utf8' })
  t.equal(status, 0, stderr)
  return root
}

/** As in the pod: the host's /proc, /sys and cgroups, its own root, and only these capabilities. */
const enter = `
set -eu
unset NODE_OPTIONS # the test runner's
root=$1 cgroup=$2 capabilities=$3
shift 3
for directory in proc sys dev; do mount --rbind "/$directory" "$root/$directory"; done
mount --bind "$cgroup" "$root/host/cgroup"
exec setpriv --bounding-set="$capabilities" chroot "$root" /usr/bin/meshaccel "$@"`

interface Doctor {
  readonly policy: string
  readonly probes: readonly { readonly name: string; readonly ok: boolean }[]
}

void test('in the image, with the capabilities of the chart, the self-test finds what it finds here', async (t) => {
  if (!requireRoot(t)) return
  const root = imageRoot(t)
  mkdirSync(join(root, 'host/cgroup'), { recursive: true })
  const cgroup = findCgroup2()
  // chroot itself needs one more, which the runtime has while it creates the container.
  const bounding = [...agentCapabilities(), 'SYS_CHROOT'].map((name) => `+${name.toLowerCase()}`)
  const inside = (...args: string[]): { status: number | null; stdout: string; stderr: string } => {
    const capabilities = ['-all', ...bounding].join(',')
    const script = ['-c', enter, 'enter', root, cgroup, capabilities, ...args]
    const { status, stdout, stderr } = spawnSync('unshare', ['--mount', 'sh', ...script], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'] ?? '' },
    })
    return { status, stdout, stderr }
  }
  t.match(inside('--version'), { status: 0, stdout: `${version}\n`, stderr: '' })

  const there = inside('doctor', '-o', 'json', '--cgroup', '/host/cgroup')
  t.equal(there.status, 0, there.stderr)
  const here = spawnSync(process.execPath, [cli, 'doctor', '-o', 'json', '--cgroup', cgroup], {
    encoding: 'utf8',
  })
  const findings = (text: string): unknown => {
    const { policy, probes }: Doctor = JSON.parse(text)
    return { policy, probes: probes.map(({ name, ok }) => ({ name, ok })) }
  }
  t.strictSame(findings(there.stdout), findings(here.stdout))

  t.notOk(existsSync(join(root, 'usr/bin/sh')), 'there is no shell')
  t.match(inside('cni', 'install', '--conf-dir', '/tmp', '--bin-dir', '/tmp/bin'), {
    status: 1,
    stderr: /no network is configured in \/tmp/,
  })
  t.ok(existsSync(join(root, 'app/build/cni/meshaccel-cni')), 'it has the plugin')

  // It runs without a library of the image. It refuses a parent other than its own.
  const walk = spawnSync('chroot', [root, '/app/build/netns/meshaccel-walk', '0'])
  t.match({ status: walk.status, error: walk.error }, { status: 1, error: undefined })
  const enters = spawnSync('chroot', [root, '/app/build/netns/meshaccel-inside'])
  t.match({ status: enters.status, error: enters.error }, { status: 120, error: undefined })
})
