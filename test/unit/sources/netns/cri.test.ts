import { join } from 'node:path'
import { test, type Test } from 'tap'
import {
  CriFinder,
  isMounted,
  knownSockets,
  netnsOfInfo,
  runtimeSockets,
} from '../../../../src/sources/netns/cri.ts'
import { FakeRuntime } from '../../../helpers/fake-runtime.ts'

async function running(
  t: Test,
  service?: string,
): Promise<{ runtime: FakeRuntime; finder: CriFinder }> {
  const runtime = new FakeRuntime()
  await runtime.start(service)
  // On a busy machine 250 answers take longer than the product waits for one.
  const finder = new CriFinder(runtime.socket, { deadlineMs: 60_000 })
  t.teardown(async () => {
    finder[Symbol.dispose]()
    await runtime.stop()
  })
  return { runtime, finder }
}

const withPid = (pid: number): object => ({ pid })

void test('asks for few pods one by one, and for each sandbox once', async (t) => {
  const { runtime, finder } = await running(t)
  runtime.sandboxes = [
    { id: 's1', uid: 'one', info: withPid(11) },
    { id: 's2', uid: 'two', info: withPid(22) },
  ]
  t.strictSame(await finder.find(new Set(['one', 'none'])), new Map([['one', { pid: 11 }]]))
  t.strictSame([...runtime.calls].toSorted(), ['list none', 'list one', 'status s1'])
  t.strictSame(await finder.find(new Set(['one'])), new Map([['one', { pid: 11 }]]))
  t.equal(runtime.calls.filter((call) => call.startsWith('status')).length, 1)
})

void test('asks for many pods with one list', async (t) => {
  const { runtime, finder } = await running(t)
  const uids = Array.from({ length: 250 }, (_, number) => `uid-${number}`)
  runtime.sandboxes = uids.map((uid, number) => ({
    id: `s-${uid}`,
    uid,
    info: withPid(number + 1),
  }))
  const found = await finder.find(new Set(uids))
  t.equal(found.size, 250)
  t.strictSame(found.get('uid-7'), { pid: 8 })
  t.equal(runtime.calls.filter((call) => call.startsWith('list')).length, 1)
})

void test('of several sandboxes of a pod the newest that is ready counts', async (t) => {
  const { runtime, finder } = await running(t)
  runtime.sandboxes = [
    { id: 'new', uid: 'one', createdAt: '1700000000000000002', info: withPid(2) },
    { id: 'old', uid: 'one', createdAt: '1700000000000000001', info: withPid(1) },
    {
      id: 'dead',
      uid: 'one',
      createdAt: '1800000000000000000',
      state: 'SANDBOX_NOTREADY',
      info: withPid(3),
    },
    { id: 'gone', uid: 'two' },
  ]
  t.strictSame(await finder.find(new Set(['one', 'two'])), new Map([['one', { pid: 2 }]]))
  runtime.sandboxes = [
    { id: 'next', uid: 'one', createdAt: '1900000000000000000', info: withPid(4) },
  ]
  t.strictSame(await finder.find(new Set(['one'])), new Map([['one', { pid: 4 }]]))
})

void test('says what is the matter with the runtime', async (t) => {
  const nobody = new CriFinder('/run/meshaccel-test-none.sock')
  t.teardown(() => nobody[Symbol.dispose]())
  await t.rejects(nobody.find(new Set(['one'])), {
    code: 'CRI_UNREACHABLE',
    message: /^ask the container runtime at \/run\/meshaccel-test-none.sock: /,
    hint: /--cri/,
  })
  const { finder } = await running(t, 'runtime.v1alpha2.RuntimeService')
  await t.rejects(finder.find(new Set(['one'])), { code: 'CRI_TOO_OLD', hint: /containerd 1.6/ })
})

const spec = (namespaces: readonly object[]): object => ({
  runtimeSpec: { linux: { namespaces } },
})

const read = (value: object, isNetns: boolean): unknown =>
  netnsOfInfo(JSON.stringify(value), () => isNetns)

void test('reads what containerd and CRI-O tell of a sandbox', async (t) => {
  const path = '/var/run/netns/cni-7f1c'
  const info = { pid: 42, ...spec([{ type: 'pid' }, { type: 'network', path }]) }
  t.strictSame(read(info, true), { path })
  t.strictSame(read(info, false), { pid: 42 }, 'the path is not in our view')
  t.strictSame(
    read({ pid: 42, ...spec([{ type: 'pid' }]) }, true),
    undefined,
    'on the host network',
  )
  t.strictSame(read({ pid: 42 }, true), { pid: 42 })
  t.strictSame(read({ pid: 0 }, true), undefined)
  t.strictSame(
    netnsOfInfo('', () => true),
    undefined,
  )
  t.strictSame(
    netnsOfInfo('null', () => true),
    undefined,
  )
})

void test('the sockets of runtimes, as distributions place them', async (t) => {
  const sources: Readonly<Record<string, string>> = {
    '/run/containerd/containerd.sock':
      'kubeadm, GKE, AKS, awslabs/amazon-eks-ami, siderolabs/talos, bottlerocket-os/bottlerocket',
    '/run/crio/crio.sock': 'OpenShift, kubernetes-sigs/cri-tools#868',
    '/run/k3s/containerd/containerd.sock': 'k3s-io/k3s#11152, rancher/rke2#5250',
    '/run/k0s/containerd.sock': 'the k0s documentation: Runtime',
    '/var/snap/microk8s/common/run/containerd.sock': 'canonical/microk8s',
    '/run/cri-dockerd.sock': 'kubernetes-sigs/cri-tools#868',
  }
  t.strictSame(knownSockets, Object.keys(sources))
  const directory = t.testdir({
    containerd: { 'containerd.sock': '' },
    // As k0s users link theirs.
    'linked.sock': t.fixture('symlink', 'containerd/containerd.sock'),
    'other.sock': '',
  })
  const at = (name: string): string => join(directory, name)
  const known = ['none.sock', 'linked.sock', 'containerd/containerd.sock', 'other.sock'].map(at)
  t.strictSame(runtimeSockets(known), [at('linked.sock'), at('other.sock')], 'each once')
  t.strictSame(runtimeSockets(known.slice(0, 1)), known.slice(0, 1), 'the most likely one')
})

void test('tells a namespace from a file that only has its name', async (t) => {
  t.equal(isMounted('/proc/self/ns/net'), true)
  t.equal(isMounted('/proc/self/stat'), false)
  t.equal(isMounted(join(t.testdir({ netns: '' }), 'netns')), false)
  t.equal(isMounted('/none'), false)
})
