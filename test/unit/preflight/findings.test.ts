/** The checks on machines that a test cannot create here, as pure functions of their input. */
import { test } from 'tap'
import type { BtfChoice } from '../../../src/lib/btf-choice.ts'
import { parseMountinfo } from '../../../src/lib/mountinfo.ts'
import type { Place } from '../../../src/preflight/finding.ts'
import type { Machine } from '../../../src/preflight/machine.ts'
import { examine, refuse } from '../../../src/preflight/preflight.ts'

const soundFiles: Readonly<Record<string, string>> = {
  '/proc/self/status': 'CapEff:\t000001ffffffffff\nSeccomp:\t0\n',
  '/proc/filesystems': 'nodev\tsysfs\nnodev\tcgroup2\nnodev\tbpf\n\text4\n',
  '/proc/sys/kernel/osrelease': '6.12.0\n',
  '/sys/fs/bpf': '',
}
const soundLinks: Readonly<Record<string, string>> = {
  '/proc/self/ns/user': 'user:[4026531837]',
  '/proc/self/ns/pid': 'pid:[4026531836]',
  '/proc/self/ns/cgroup': 'cgroup:[4026531835]',
  '/proc/self/ns/mnt': 'mnt:[1]',
  '/proc/1/ns/mnt': 'mnt:[1]',
}
const sound = `20 1 8:1 / / rw - ext4 /dev/sda rw
21 20 0:20 / /sys rw shared:7 - sysfs sysfs rw
22 21 0:21 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw
23 21 0:22 / /sys/fs/bpf rw - bpf bpf rw
`

interface Odd {
  readonly files?: Readonly<Record<string, string | undefined>>
  readonly links?: Readonly<Record<string, string>>
  readonly mounts?: string
  readonly machine?: Partial<Machine>
}

/** A sound machine except for one oddity. */
function machineWith(odd: Odd): Machine {
  const all: Readonly<Record<string, string | undefined>> = { ...soundFiles, ...odd.files }
  const read = (path: string): string | undefined => all[path]
  return {
    mounts: parseMountinfo(odd.mounts ?? sound),
    nodeVersion: '20.0.0',
    pid: 100,
    exists: (path) => read(path) !== undefined,
    read,
    link: (path) => ({ ...soundLinks, ...odd.links })[path],
    realPath: (path) => path,
    isReadOnly: () => false,
    hasCommand: () => true,
    iptablesWork: () => true,
    bpfErrno: () => undefined,
    btf: () => ({ from: 'sysfs' }),
    kernelBtf: () => true,
    hasIpv6: () => true,
    sockops: () => ({ mode: 'multi', programs: [] }),
    ...odd.machine,
  }
}

const agent: Place = { purpose: 'agent', pinDir: '/sys/fs/bpf/meshaccel' }

const inContainer = { '/proc/self/ns/cgroup': 'cgroup:[4026532999]' }

void test('a sound machine', async (t) => {
  t.strictSame(examine(agent, machineWith({})), [])
})

void test('each kind of container', async (t) => {
  for (const [mark, kind] of [
    ['/kind/version', 'a node of kind'],
    ['/bin/k3d-entrypoint.sh', 'a node of k3d'],
    ['/run/.containerenv', 'a Podman container'],
    ['/.dockerenv', 'a Docker container'],
  ] as const) {
    const found = { check: 'container', level: 'note', found: `this is ${kind}` }
    const marked = { files: { [mark]: '' } }
    t.match(examine(agent, machineWith({ ...marked, links: inContainer })), [found])
    t.strictSame(examine(agent, machineWith(marked)), [], 'a virtual machine of its image')
  }
  const named = { files: { '/proc/1/environ': 'PATH=/bin\0container=lxc\0' }, links: inContainer }
  t.match(examine(agent, machineWith(named)), [{ found: 'this is a container (lxc)' }])
})

void test('kernels without what is needed', async (t) => {
  const bare = { '/proc/filesystems': 'nodev\tsysfs\n' }
  const mounts = sound.split('\n').slice(0, 2).join('\n')
  t.match(examine(agent, machineWith({ files: bare, mounts })), [
    { check: 'bpffs', level: 'fatal', found: 'this kernel has no bpffs' },
    { check: 'cgroup2', level: 'fatal', found: 'this kernel has no cgroup v2' },
  ])
  t.match(examine(agent, machineWith({ machine: { bpfErrno: () => 'ENOSYS' } })), [
    { check: 'bpf-syscall', found: 'this kernel has no bpf(2)' },
  ])
})

void test('a security module, where no seccomp filter is in force', async (t) => {
  t.match(examine(agent, machineWith({ machine: { bpfErrno: () => 'EACCES' } })), [
    { check: 'bpf-syscall', means: /SELinux or AppArmor/, mend: /dmesg/ },
  ])
})

void test('a bpffs that is mounted from a container reaches the host where it is shared', async (t) => {
  const mounts = sound.split('\n').slice(0, 3).join('\n')
  const elsewhere = { '/proc/self/ns/mnt': 'mnt:[2]' }
  t.match(examine(agent, machineWith({ mounts, links: elsewhere })), [
    { check: 'bpffs', level: 'note', mounts: { type: 'bpf', at: '/sys/fs/bpf' } },
  ])
  const alone = mounts.replace(' shared:7', '')
  t.match(examine(agent, machineWith({ mounts: alone, links: elsewhere })), [
    { check: 'bpffs', level: 'fatal', means: /would end with this container/ },
  ])
})

const limits = (release: string, hard: string): Odd => ({
  files: {
    '/proc/sys/kernel/osrelease': release,
    '/proc/self/limits': `Max locked memory         65536                ${hard}                bytes\n`,
    '/proc/self/status': 'CapEff:\t000001fffeffffff\n',
  },
})

void test('locked memory counts on old kernels alone', async (t) => {
  const found = (release: string, hard: string): string[] =>
    examine(agent, machineWith(limits(release, hard))).map(({ check }) => check)
  t.strictSame(found('5.10.0-8-amd64', '65536'), ['locked-memory'])
  t.strictSame(found('5.10.0-8-amd64', 'unlimited'), [])
  t.strictSame(found('5.11.0', '65536'), [])
  t.strictSame(found('6.1.0', '65536'), [])
})

void test('lockdown below confidentiality is fine', async (t) => {
  const files = { '/sys/kernel/security/lockdown': 'none [integrity] confidentiality\n' }
  t.strictSame(examine(agent, machineWith({ files })), [])
})

const hidden = (): BtfChoice => ({ from: 'kernel' })
const file = (given?: string): BtfChoice =>
  given === undefined ? { from: 'sysfs' } : { from: 'file', path: given }

void test('where the types of the kernel come from', async (t) => {
  const found = (btf: (given?: string) => BtfChoice, kernelBtf: boolean | string): unknown => {
    const findings = examine(
      { ...agent, btf: '/b' },
      machineWith({ machine: { btf, kernelBtf: () => kernelBtf } }),
    )
    return findings.map(
      ({ check, level, found: what, mend }) => `${check} ${level} ${what}; ${mend ?? ''}`,
    )
  }
  t.strictSame(found(file, true), [
    'btf note the types are not taken from /sys/kernel/btf/vmlinux; ',
  ])
  t.match(found(hidden, true), [/^btf note the kernel hides its types/])
  t.match(found(hidden, 'EPERM'), [
    /^btf refused .*\(EPERM\); mount -t sysfs .*--cap-add=SYS_ADMIN/,
  ])
  t.match(found(hidden, false), [
    /^btf refused the kernel has no types.*CONFIG_DEBUG_INFO_BTF=y.*Debian 12/,
  ])
  t.match(
    found(() => ({ from: 'missing', path: '/b' }), true),
    [/^btf fatal there is no BTF file \/b; meshaccel btf SOURCE --dir DIR makes/],
  )
})

void test('without BPF its state does not matter', async (t) => {
  const place: Place = { ...agent, purpose: 'bench', usesBpf: false }
  const mounts = sound.split('\n').slice(0, 3).join('\n')
  t.strictSame(
    examine(
      place,
      machineWith({ mounts, machine: { btf: () => ({ from: 'kernel' }), kernelBtf: () => false } }),
    ),
    [],
  )
})

void test('everything that is fatal is told at once', async (t) => {
  const place: Place = { ...agent, cgroup: '/nowhere' }
  const findings = examine(place, machineWith({ machine: { nodeVersion: '18.1.0' } }))
  t.throws(() => refuse(findings), {
    code: 'NOT_ON_THIS_MACHINE',
    message: 'check this machine: this is Node 18.1.0',
    hint: /Node 20 or newer is needed\. Fix it: .*\n  Also the cgroup \/nowhere does not exist/,
  })
  t.doesNotThrow(() => refuse(examine(agent, machineWith({}))))
})
