import { mkdirSync, mkdtempSync, rmdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { findCgroup2 } from '../../../src/lib/cgroup.ts'
import type { Finding, Level, Place } from '../../../src/preflight/finding.ts'
import { compile } from '../../helpers/compile.ts'
import { requireRoot } from '../../helpers/requirements.ts'
import { breakings, examineBroken, type Surroundings } from './broken-machine.ts'

const directory = mkdtempSync(join(tmpdir(), 'meshaccel-preflight-'))
const refuseCall = compile('kernel/preflight/refuse-call.c', 'refuse-call', directory)
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))

const pinDir = '/sys/fs/bpf/meshaccel-test-preflight'
const doctor: Place = { purpose: 'doctor', pinDir }
const agent: Place = { purpose: 'agent', pinDir }
const without = (...names: string[]): string[] => [
  'setpriv',
  `--bounding-set=${names.map((name) => `-${name}`).join(',')}`,
  `--inh-caps=${names.map((name) => `-${name}`).join(',')}`,
]
/** A process that is not the first of its process namespace, in the same mount namespace as that one. */
const machineOfItsOwn = ['--pid', '--fork', '--mount-proc']
const notFirst = ['sh', '-c', '"$@"; exit $?', 'sh']

interface Case extends Surroundings {
  readonly name: string
  readonly place?: Place
  readonly check: string
  readonly level: Level
  readonly found: RegExp
  readonly mend: RegExp | undefined
  readonly preload?: string
}

const cases: readonly Case[] = [
  {
    name: 'no bpffs, where it may be mounted',
    broken: breakings.noBpffs,
    check: 'bpffs',
    level: 'note',
    found: /no bpffs is mounted at \/sys\/fs\/bpf/,
    mend: /mount -t bpf bpf \/sys\/fs\/bpf/,
  },
  {
    name: 'no bpffs, in a container that would take it along',
    place: agent,
    broken: breakings.noBpffs,
    check: 'bpffs',
    level: 'fatal',
    found: /no bpffs is mounted/,
    mend: /on the host.*mount -t bpf bpf/,
  },
  {
    name: 'no bpffs, for an agent on the machine itself',
    place: agent,
    broken: breakings.noBpffs,
    unshare: machineOfItsOwn,
    through: notFirst,
    check: 'bpffs',
    level: 'note',
    found: /no bpffs is mounted/,
    mend: /mount -t bpf/,
  },
  {
    name: 'no bpffs, and no right to mount one',
    broken: breakings.noBpffs,
    through: without('sys_admin'),
    check: 'bpffs',
    level: 'fatal',
    found: /no bpffs is mounted/,
    mend: /mount -t bpf/,
  },
  {
    name: 'no bpffs, for the self-test, which mounts nothing',
    place: { ...doctor, purpose: 'self-test' },
    broken: breakings.noBpffs,
    check: 'bpffs',
    level: 'fatal',
    found: /no bpffs is mounted/,
    mend: /mount -t bpf/,
  },
  {
    name: 'a read-only bpffs',
    broken: breakings.readOnlyBpffs,
    check: 'bpffs',
    level: 'fatal',
    found: /bpffs at \/sys\/fs\/bpf is read-only/,
    mend: /remount,rw/,
  },
  {
    name: 'something else at the place of bpffs',
    broken: breakings.otherAtBpffs,
    check: 'bpffs',
    level: 'fatal',
    found: /tmpfs is mounted at \/sys\/fs\/bpf/,
    mend: /umount \/sys\/fs\/bpf && mount -t bpf/,
  },
  {
    name: 'pins elsewhere than on bpffs',
    place: { ...doctor, pinDir: '/proc/meshaccel/pins' },
    check: 'bpffs',
    level: 'fatal',
    found: /\/proc\/meshaccel\/pins of the pins is not on bpffs, but on proc/,
    mend: /--pin/,
  },
  {
    name: 'no cgroup v2, where it may be mounted',
    broken: breakings.noCgroups,
    check: 'cgroup2',
    level: 'note',
    found: /cgroup v2 is not mounted/,
    mend: /mount -t cgroup2 none \/sys\/fs\/cgroup/,
  },
  {
    name: 'no cgroup v2, and no right to mount it',
    broken: breakings.noCgroup2,
    through: without('sys_admin'),
    check: 'cgroup2',
    level: 'fatal',
    found: /cgroup v2 is not mounted/,
    mend: /mount -t cgroup2/,
  },
  {
    name: 'a cgroup that does not exist',
    place: { ...doctor, cgroup: '/sys/fs/cgroup/meshaccel-nowhere' },
    check: 'cgroup2',
    level: 'fatal',
    found: /meshaccel-nowhere/,
    mend: /--cgroup/,
  },
  {
    name: 'a directory that is no cgroup',
    place: { ...doctor, cgroup: '/proc' },
    check: 'cgroup2',
    level: 'fatal',
    found: /the cgroup \/proc is not on cgroup v2/,
    mend: /--cgroup/,
  },
  {
    name: 'a read-only cgroup v2',
    broken: breakings.readOnlyCgroup2,
    check: 'cgroup-read-only',
    level: 'refused',
    found: /is read-only/,
    mend: /remount,bind,rw/,
  },
  {
    name: 'cgroup v1 beside v2',
    broken: 'mount -t tmpfs tmpfs /mnt && mount -t cgroup -o none,name=meshaccel-test-v1 none /mnt',
    check: 'cgroup-hybrid',
    level: 'note',
    found: /cgroup v1 is mounted beside cgroup v2/,
    mend: undefined,
  },
  {
    name: 'a hidden BTF',
    broken: breakings.noBtf,
    check: 'btf',
    level: 'note',
    found: /no \/sys\/kernel\/btf\/vmlinux/,
    mend: undefined,
  },
  {
    name: 'a masked BTF',
    broken: 'mount --bind /dev/null /sys/kernel/btf/vmlinux',
    check: 'btf',
    level: 'note',
    found: /no \/sys\/kernel\/btf\/vmlinux/,
    mend: undefined,
  },
  {
    name: 'a hidden BTF, and no right to ask the kernel for it',
    broken: breakings.noBtf,
    through: without('sys_admin'),
    check: 'btf',
    level: 'refused',
    found: /the kernel does not show its types to this process \(EPERM\)/,
    mend: /--cap-add=SYS_ADMIN/,
  },
  {
    name: 'no such BTF file',
    place: { ...doctor, btf: '/nowhere.btf' },
    check: 'btf',
    level: 'fatal',
    found: /there is no BTF file \/nowhere\.btf/,
    mend: /meshaccel btf SOURCE --dir DIR/,
  },
  {
    name: 'no CAP_NET_ADMIN',
    through: without('net_admin'),
    check: 'capabilities',
    level: 'refused',
    found: /lacks CAP_NET_ADMIN$/,
    mend: /--cap-add=NET_ADMIN/,
  },
  {
    name: 'no CAP_SYS_ADMIN, and nothing that stands for it',
    through: without('sys_admin', 'bpf', 'perfmon'),
    check: 'capabilities',
    level: 'refused',
    found: /lacks CAP_SYS_ADMIN, CAP_BPF, CAP_PERFMON$/,
    mend: /--cap-add=SYS_ADMIN --cap-add=BPF/,
  },
  {
    name: 'no capabilities to find processes of others',
    through: without('sys_ptrace', 'dac_override'),
    check: 'helpful-capabilities',
    level: 'warning',
    found: /lacks CAP_SYS_PTRACE, CAP_DAC_OVERRIDE/,
    mend: /--cap-add=SYS_PTRACE/,
  },
  {
    name: 'a user namespace',
    unshare: ['--user', '--map-root-user'],
    check: 'user-namespace',
    level: 'refused',
    found: /a user namespace of its own/,
    mend: /real root/,
  },
  {
    name: 'a seccomp filter that refuses bpf(2)',
    through: [refuseCall, 'bpf'],
    check: 'bpf-syscall',
    level: 'refused',
    found: /bpf\(2\) is refused \(EPERM\), and a seccomp filter is in force/,
    mend: /seccomp=unconfined/,
  },
  {
    name: 'no libbpf',
    broken: breakings.noLibbpf,
    check: 'libbpf',
    level: 'fatal',
    found: /libbpf\.so\.1 cannot be loaded/,
    mend: /apt-get install libbpf1/,
  },
  {
    name: 'little locked memory, on a kernel that counts it',
    broken: breakings.release('5.4.0-test'),
    through: ['prlimit', '--memlock=65536:65536', ...without('sys_resource')],
    check: 'locked-memory',
    level: 'refused',
    found: /RLIMIT_MEMLOCK is 65536 bytes/,
    mend: /ulimit -l unlimited/,
  },
  {
    name: 'lockdown that hides kernel memory',
    broken: breakings.lockdown,
    check: 'lockdown',
    level: 'refused',
    found: /confidentiality/,
    mend: /lockdown=integrity/,
  },
  {
    name: 'WSL2',
    broken: breakings.release('6.6.87.2-microsoft-standard-WSL2'),
    check: 'wsl',
    level: 'note',
    found: /Windows Subsystem for Linux/,
    mend: /wsl --update/,
  },
  {
    name: 'a container of Podman',
    broken: 'mount -t tmpfs tmpfs /run && touch /run/.containerenv',
    unshare: ['--cgroup'],
    check: 'container',
    level: 'note',
    found: /a (?:Podman|Docker) container/,
    mend: undefined,
  },
  {
    name: 'a read-only root',
    place: { ...agent, writes: ['/run/meshaccel-test'] },
    broken: breakings.readOnlyRun,
    check: 'read-only',
    level: 'fatal',
    found: /\/run\/meshaccel-test cannot be written/,
    mend: /mount -t tmpfs tmpfs \/run\/meshaccel-test/,
  },
  {
    name: 'no commands for the bench',
    place: { ...doctor, purpose: 'bench', commands: ['ip', 'haproxy'] },
    through: ['env', 'PATH=/nowhere'],
    check: 'commands',
    level: 'fatal',
    found: /missing: ip, haproxy/,
    mend: /npm run setup/,
  },
  {
    name: 'no iptables',
    place: { ...doctor, purpose: 'bench', iptables: true },
    through: ['env', 'PATH=/nowhere'],
    check: 'iptables',
    level: 'fatal',
    found: /there is no iptables/,
    mend: /apt-get install iptables/,
  },
  {
    name: 'an iptables that may not make rules',
    place: { ...doctor, purpose: 'bench', iptables: true },
    through: without('net_admin', 'net_raw'),
    check: 'iptables',
    level: 'fatal',
    found: /cannot make rules/,
    mend: /modprobe/,
  },
  {
    name: 'no IPv6',
    through: [refuseCall, 'ipv6'],
    check: 'ipv6',
    level: 'note',
    found: /without IPv6/,
    mend: undefined,
  },
  {
    name: 'an old Node',
    preload:
      'data:text/javascript,Object.defineProperty(process,"versions",{value:{...process.versions,node:"18.20.8"}})',
    check: 'node',
    level: 'fatal',
    found: /this is Node 18\.20\.8/,
    mend: /nodejs\.org/,
  },
]

const names = (findings: readonly Finding[]): string =>
  findings.map(({ check, level, found }) => `${level} ${check}: ${found}`).join('\n')

for (const { name, place = doctor, check, level, found, mend, preload, ...broken } of cases) {
  void test(name, async (t) => {
    if (!requireRoot(t)) return
    const { before } = examineBroken(place, broken, preload === undefined ? {} : { preload })
    const finding = before.find((each) => each.check === check)
    if (!finding) {
      t.fail(`not found: ${check}`, { found: names(before) })
      return
    }
    t.equal(finding.level, level)
    t.match(finding.found, found)
    t.match(finding.mend, mend)
    t.match(finding.means, /^[A-Z].*\.$/, 'it says what follows')
  })
}

void test('a machine where nothing is broken has none of these', async (t) => {
  if (!requireRoot(t)) return
  // Its bpffs may be missing. Everything else is needed to run these tests.
  const odd = ['bpffs', 'cgroup-hybrid', 'container', 'wsl', 'ipv6']
  const place: Place = { ...doctor, writes: ['/run'], commands: ['ip'], iptables: true }
  const { before } = examineBroken(place, {})
  t.strictSame(
    before.filter(({ check }) => !odd.includes(check)),
    [],
  )
})

void test('only a part of the hierarchy is visible', async (t) => {
  if (!requireRoot(t)) return
  const cgroup = join(findCgroup2(), `meshaccel-test-part-${process.pid}`)
  mkdirSync(cgroup)
  t.teardown(() => rmdirSync(cgroup))
  const { before } = examineBroken(doctor, {
    through: [
      'sh',
      '-c',
      'echo 0 >"$0/cgroup.procs" && exec unshare -C -m -- sh -c "$1" "$@"',
      cgroup,
      'umount -l "$CGROUP" && mount -t cgroup2 none "$CGROUP" && shift && exec "$@"',
      'sh',
    ],
  })
  const part = before.find(({ check }) => check === 'cgroup-part')
  t.match(part, {
    level: 'warning',
    found: /shows a part of the cgroup hierarchy/,
    means: /Pods outside of that part are not seen.*kind, k3d/,
    mend: /--cgroupns=host/,
  })
})

void test('what is missing is mounted, and unmounted again', async (t) => {
  if (!requireRoot(t)) return
  for (const [broken, check] of [
    [breakings.noBpffs, 'bpffs'],
    [breakings.noCgroups, 'cgroup2'],
  ] as const) {
    const { before, after, undone } = examineBroken(doctor, { broken }, { mount: true })
    t.equal(before.find((each) => each.check === check)?.level, 'note', check)
    t.notOk(
      after?.some((each) => each.check === check),
      'it is there',
    )
    t.equal(undone?.find((each) => each.check === check)?.level, 'note', 'it is gone again')
  }
})
