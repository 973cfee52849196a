import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { cgroup2Directory } from '../../../src/datapath/cgroup.ts'
import { CgroupFinder, podOfCgroup } from '../../../src/sources/netns/cgroup.ts'
import { requireRoot } from '../../helpers/requirements.ts'

const uid = '0f6a3b1c-2d4e-4f60-8a7b-9c0d1e2f3a4b'
const dashless = uid.replaceAll('-', '_')
const hash = '0123456789abcdef0123456789abcdef'
const container = 'a'.repeat(64)

/** The lines of /proc/PID/cgroup of a container's process, as each layout has them. */
const layouts: Readonly<Record<string, string>> = {
  'v2, systemd': `0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${dashless}.slice/cri-containerd-${container}.scope`,
  'v2, systemd, guaranteed, CRI-O': `0::/kubepods.slice/kubepods-pod${dashless}.slice/crio-${container}.scope/container`,
  'v2, cgroupfs': `0::/kubepods/besteffort/pod${uid}/${container}`,
  'v2, seen from a cgroup namespace': `0::/../../kubepods-besteffort-pod${dashless}.slice/cri-containerd-${container}.scope`,
  'v2, kind, under a cgroup root': `0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod${dashless}.slice/cri-containerd-${container}.scope`,
  'v1, cgroupfs': [
    `12:memory:/kubepods/burstable/pod${uid}/${container}`,
    `3:cpu,cpuacct:/kubepods/burstable/pod${uid}/${container}`,
    `1:name=systemd:/kubepods/burstable/pod${uid}/${container}`,
  ].join('\n'),
  'v1, systemd': [
    '11:rdma:/',
    `5:pids:/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${dashless}.slice/cri-containerd-${container}.scope`,
    '1:name=systemd:/system.slice/containerd.service/kubepods-burstable.slice',
  ].join('\n'),
  hybrid: [
    `4:memory:/kubepods/pod${uid}/${container}`,
    '1:name=systemd:/system.slice/containerd.service',
    '0::/system.slice/containerd.service',
  ].join('\n'),
}

const stat = (pid: number, startedAt: number): string =>
  `${pid} (a) b) S 1 ${pid} ${pid} 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 ${startedAt} 1000 1 18446744073709551615`

for (const [layout, cgroup] of Object.entries(layouts)) {
  void test(layout, async (t) => {
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

void test('a static pod is named by its hash, and what is none of kubelet is nobody', async (t) => {
  t.equal(podOfCgroup(`/kubepods/besteffort/pod${hash}/${container}`), hash)
  t.equal(podOfCgroup(`/kubepods.slice/kubepods-burstable-pod${hash}.slice`), hash)
  t.equal(podOfCgroup(`/machine.slice/libpod-${container}.scope`), undefined)
  t.equal(podOfCgroup('/user.slice/tripod.slice'), undefined)
  t.equal(podOfCgroup(`/kubepods/pod${uid}x/${container}`), undefined)
  t.equal(podOfCgroup('/'), undefined)
})

void test('finds a process of the running kernel', async (t) => {
  if (!requireRoot(t)) return
  const root = join(cgroup2Directory(undefined), `meshaccel-test-${process.pid}`)
  const own = `00000000-0000-4000-8000-${String(process.pid).padStart(12, '0')}`
  const slice = join(root, `kubepods-burstable-pod${own.replaceAll('-', '_')}.slice`)
  const child = spawn('sleep', ['infinity'])
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
    for (const directory of [slice, root]) rmdirSync(directory)
  })
  mkdirSync(slice, { recursive: true })
  writeFileSync(join(slice, 'cgroup.procs'), String(child.pid))
  t.strictSame(await new CgroupFinder().find(new Set([own])), new Map([[own, { pid: child.pid }]]))
})
