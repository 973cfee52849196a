import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { cgroup2Directory } from '../../../../src/lib/cgroup.ts'
import { CgroupFinder, podsOfCgroup } from '../../../../src/sources/netns/cgroup.ts'
import { requireRoot } from '../../../helpers/requirements.ts'

const uid = '0f6a3b1c-2d4e-4f60-8a7b-9c0d1e2f3a4b'
const dashless = uid.replaceAll('-', '_')
const hash = '0123456789abcdef0123456789abcdef'
const container = 'a'.repeat(64)

interface Layout {
  readonly what: string
  /** The source of this form. */
  readonly source: string
  /** The lines of /proc/PID/cgroup of a container's process. */
  readonly cgroup: string
}

const slice = `kubepods-burstable-pod${dashless}.slice`
const scope = `cri-containerd-${container}.scope`
const nodes = 'b'.repeat(64)
const outer = '11111111-2222-4333-8444-555555555555'

const layouts: readonly Layout[] = [
  {
    what: 'v2, systemd',
    source: 'kubernetes/kubernetes#106514',
    cgroup: `0::/kubepods.slice/kubepods-burstable.slice/${slice}/${scope}`,
  },
  {
    what: 'v2, systemd, guaranteed, CRI-O with crun',
    source: 'cri-o/cri-o#842; crun has a cgroup of its own inside',
    cgroup: `0::/kubepods.slice/kubepods-pod${dashless}.slice/crio-${container}.scope/container`,
  },
  {
    what: 'v2, cgroupfs (Talos, MicroK8s, k0s, Bottlerocket before 1.13)',
    source: 'iovisor/kubectl-trace#207',
    cgroup: `0::/kubepods/besteffort/pod${uid}/${container}`,
  },
  {
    what: 'v2, cgroupfs, guaranteed (k3s, RKE2)',
    source: 'CJLove/rt-operator notes/cgroupv1_notes.md',
    cgroup: `0::/kubepods/pod${uid}/${container}`,
  },
  {
    what: 'v2, cgroupfs, CRI-O',
    source: 'kata-containers/runtime#1515: pod<uid>/crio-<container>',
    cgroup: `0::/kubepods/burstable/pod${uid}/crio-${container}`,
  },
  {
    what: 'v2, systemd, Docker by cri-dockerd',
    source: 'CJLove/rt-operator notes/cgroupv1_notes.md',
    cgroup: `0::/kubepods.slice/kubepods-burstable.slice/${slice}/docker-${container}.scope`,
  },
  {
    what: 'v2, seen from a cgroup namespace',
    source: 'cgroup_namespaces(7)',
    cgroup: `0::/../../kubepods-besteffort-pod${dashless}.slice/${scope}`,
  },
  {
    what: "v2, kind, with kubelet's root",
    source:
      'kubernetes-sigs/kind images/base/files/etc/containerd, pkg/cluster: cgroupRoot: /kubelet',
    cgroup: `0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-${slice}/${scope}`,
  },
  {
    what: 'v2, kind, seen from its host, in Docker',
    source: 'the same, below the cgroup that Docker gives the node',
    cgroup: `0::/system.slice/docker-${nodes}.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-${slice}/${scope}`,
  },
  {
    what: 'v2, kind, seen from its host, in Podman',
    source: 'the same, below the cgroup that Podman gives the node',
    cgroup: `0::/machine.slice/libpod-${nodes}.scope/container/kubelet.slice/kubelet-${slice}/${scope}`,
  },
  {
    what: 'v1, k3d, seen from its host',
    source: 'k3d-io/k3d: k3s in a container, whose cgroup is /docker/<node>',
    cgroup: `11:pids:/docker/${nodes}/kubepods/besteffort/pod${uid}/${container}`,
  },
  {
    what: 'a node that is a pod itself: its own pods are further in',
    source: 'kind and k3s in a pod without a cgroup namespace',
    cgroup: `0::/kubepods/burstable/pod${outer}/${nodes}/kubepods/besteffort/pod${uid}/${container}`,
  },
  {
    what: 'kubelet with systemd, containerd with cgroupfs',
    source: 'kubernetes/kubernetes#106514',
    cgroup: `0::/system.slice/containerd.service/${slice}:cri-containerd:${container}`,
  },
  {
    what: 'Kata with its sandbox apart',
    source: 'kata-containers/kata-containers#11325',
    cgroup: `0::/${slice}:cri-containerd:${container}`,
  },
  {
    what: 'v1, cgroupfs',
    source: 'Qard/container-info test/fixtures/result.js',
    cgroup: [
      `12:memory:/kubepods/burstable/pod${uid}/${container}`,
      `3:cpu,cpuacct:/kubepods/burstable/pod${uid}/${container}`,
      `1:name=systemd:/kubepods/burstable/pod${uid}/${container}`,
    ].join('\n'),
  },
  {
    what: 'v1, systemd',
    source: 'tkestack/vcuda-controller#19',
    cgroup: [
      '11:rdma:/',
      `5:pids:/kubepods.slice/kubepods-burstable.slice/${slice}/${scope}`,
      '1:name=systemd:/system.slice/containerd.service/kubepods-burstable.slice',
    ].join('\n'),
  },
  {
    what: 'hybrid',
    source: 'istio/istio#55139',
    cgroup: [
      `4:memory:/kubepods/pod${uid}/${container}`,
      '1:name=systemd:/system.slice/containerd.service',
      '0::/system.slice/containerd.service',
    ].join('\n'),
  },
]

const stat = (pid: number, startedAt: number): string =>
  `${pid} (a) b) S 1 ${pid} ${pid} 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 ${startedAt} 1000 1 18446744073709551615`

for (const { what, source, cgroup } of layouts) {
  void test(`${what} (${source})`, async (t) => {
    const proc = t.testdir({
      1: { cgroup: '0::/init.scope\n', stat: stat(1, 1) },
      // Started after the sandbox's own process, with a lower number: pids wrap around.
      40: { cgroup: `${cgroup}\n`, stat: stat(40, 900) },
      77: { cgroup: `${cgroup}\n`, stat: stat(77, 800) },
      78: { stat: stat(78, 700) },
      self: {},
      version: 'Linux',
    })
    const finder = new CgroupFinder(proc)
    t.strictSame(await finder.find(new Set([uid, 'other'])), new Map([[uid, { pid: 77 }]]))
    t.strictSame(await finder.find(new Set(['other'])), new Map())
  })
}

void test("CRI-O's monitor is in the pod's cgroup, and on the host's network", async (t) => {
  // openshift/machine-config-operator#1296 and opencontainers/runc#4620; kata-containers/runtime#1515 with cgroupfs.
  const monitors = [
    `0::/kubepods.slice/kubepods-burstable.slice/${slice}/crio-conmon-${container}.scope`,
    `0::/kubepods/burstable/pod${uid}/crio-conmon-${container}`,
  ]
  for (const monitor of monitors) {
    const proc = t.testdir({
      5: { cgroup: `${monitor}\n`, stat: stat(5, 100) },
      6: { cgroup: `0::/kubepods/burstable/pod${uid}/crio-${container}\n`, stat: stat(6, 200) },
    })
    const found = await new CgroupFinder(proc).find(new Set([uid]))
    t.strictSame(found, new Map([[uid, { pid: 6 }]]), monitor)
  }
})

void test('the agent of a node that has other nodes inside knows its own pods', async (t) => {
  const inner = `0::/kubepods/burstable/pod${outer}/${nodes}/kubepods/pod${uid}/${container}\n`
  const proc = t.testdir({
    5: { cgroup: `0::/kubepods/burstable/pod${outer}/${nodes}\n`, stat: stat(5, 100) },
    6: { cgroup: inner, stat: stat(6, 200) },
  })
  const finder = new CgroupFinder(proc)
  t.strictSame(await finder.find(new Set([outer])), new Map([[outer, { pid: 5 }]]))
  t.strictSame(await finder.find(new Set([uid])), new Map([[uid, { pid: 6 }]]))
})

void test('a static pod is named by its hash, and what is none of kubelet is nobody', async (t) => {
  t.strictSame(podsOfCgroup(`/kubepods/besteffort/pod${hash}/${container}`), [hash])
  t.strictSame(podsOfCgroup(`/kubepods.slice/kubepods-burstable-pod${hash}.slice`), [hash])
  const others = [
    `/machine.slice/libpod-${container}.scope`,
    '/user.slice/tripod.slice',
    `/kubepods/pod${uid}x/${container}`,
    `/kubepods/pod${uid}:x/${container}`,
    '/',
  ]
  for (const path of others) t.strictSame(podsOfCgroup(path), [], path)
})

void test('finds a process of the running kernel', async (t) => {
  if (!requireRoot(t)) return
  const root = join(cgroup2Directory(undefined), `meshaccel-test-${process.pid}`)
  const own = `00000000-0000-4000-8000-${String(process.pid).padStart(12, '0')}`
  const podSlice = join(root, `kubepods-burstable-pod${own.replaceAll('-', '_')}.slice`)
  const child = spawn('sleep', ['infinity'])
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
    for (const directory of [podSlice, root]) rmdirSync(directory)
  })
  mkdirSync(podSlice, { recursive: true })
  writeFileSync(join(podSlice, 'cgroup.procs'), String(child.pid))
  t.strictSame(await new CgroupFinder().find(new Set([own])), new Map([[own, { pid: child.pid }]]))
})
