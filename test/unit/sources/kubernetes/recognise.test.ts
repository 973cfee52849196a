import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { packageRoot } from '../../../../src/lib/package.ts'
import { podFacts, type KubeObject } from '../../../../src/sources/kubernetes/pod-facts.ts'
import { recognise, type Recognition } from '../../../../src/sources/kubernetes/recognise.ts'

/** Pods as the injectors make them. */
const directory = join(packageRoot, 'test/fixtures/injected')

const expected: Readonly<Record<string, Recognition>> = {
  'istio-classic': {
    sidecar: {
      mesh: 'istio',
      kind: 'sidecar',
      proxyUid: 1337,
      proxyGid: 1337,
      redirects: {
        inboundPort: 15006,
        outboundPort: 15001,
        bypass: { inboundPorts: ['15090', '15021', '15020'], outboundPorts: [], outboundCidrs: [] },
      },
    },
  },
  'istio-native': {
    sidecar: {
      mesh: 'istio',
      kind: 'native sidecar',
      proxyUid: 1337,
      proxyGid: 1337,
      redirects: {
        inboundPort: 15006,
        outboundPort: 15001,
        bypass: { inboundPorts: ['15090', '15021', '15020'], outboundPorts: [], outboundCidrs: [] },
      },
    },
  },
  'istio-cni-validation': {
    sidecar: {
      mesh: 'istio',
      kind: 'native sidecar',
      proxyUid: 1337,
      proxyGid: 1337,
      redirects: {
        inboundPort: 15006,
        outboundPort: 15001,
        bypass: {
          inboundPorts: ['15090', '15021', '9102', '15020'],
          outboundPorts: ['3306', '5432'],
          outboundCidrs: ['10.96.0.1/32'],
        },
      },
    },
  },
  'istio-revision-openshift-uid': {
    sidecar: {
      mesh: 'istio',
      kind: 'sidecar',
      proxyUid: 1000680001,
      proxyGid: 1000680001,
      redirects: {
        inboundPort: 15006,
        outboundPort: 15001,
        bypass: { inboundPorts: ['15090', '15021', '15020'], outboundPorts: [], outboundCidrs: [] },
      },
    },
  },
  'istio-gateway': { sidecar: { mesh: 'istio', kind: 'gateway', proxyUid: 1337, proxyGid: 1337 } },
  'istio-ambient': {
    sidecar: { mesh: 'ambient', kind: 'ztunnel', proxyUid: 0, proxyGid: 1337 },
  },
  'istio-ztunnel': { ambient: true },
  'host-network': undefined,
  'no-mesh': undefined,
  'istio-uninjected-name': undefined,
  'linkerd-classic': {
    sidecar: {
      mesh: 'linkerd',
      kind: 'sidecar',
      proxyUid: 2102,
      proxyGid: 2102,
      redirects: {
        inboundPort: 4143,
        outboundPort: 4140,
        bypass: {
          inboundPorts: ['4190', '4191', '4567', '4568'],
          outboundPorts: ['4567', '4568'],
          outboundCidrs: [],
        },
      },
    },
  },
  'linkerd-native': {
    sidecar: {
      mesh: 'linkerd',
      kind: 'native sidecar',
      proxyUid: 2102,
      proxyGid: 2102,
      redirects: {
        inboundPort: 4143,
        outboundPort: 4140,
        bypass: {
          inboundPorts: ['4190', '4191', '4567', '4568'],
          outboundPorts: ['4567', '4568'],
          outboundCidrs: [],
        },
      },
    },
  },
  'linkerd-cni-validator': {
    sidecar: {
      mesh: 'linkerd',
      kind: 'sidecar',
      proxyUid: 2102,
      proxyGid: 2102,
      redirects: {
        inboundPort: 4143,
        outboundPort: 4140,
        bypass: { inboundPorts: [], outboundPorts: ['25', '3306'], outboundCidrs: [] },
      },
    },
  },
  'kuma-classic': {
    sidecar: {
      mesh: 'kuma',
      kind: 'sidecar',
      proxyUid: 5678,
      proxyGid: 5678,
      redirects: {
        inboundPort: 15006,
        outboundPort: 15001,
        bypass: { inboundPorts: ['9901'], outboundPorts: [], outboundCidrs: [] },
      },
    },
  },
  'consul-transparent-proxy': {
    sidecar: {
      mesh: 'consul',
      kind: 'sidecar',
      proxyUid: 5995,
      proxyGid: 5995,
      redirects: {
        inboundPort: 20000,
        outboundPort: 15001,
        bypass: { inboundPorts: [], outboundPorts: [], outboundCidrs: ['172.16.0.0/12'] },
      },
    },
  },
}

function fixture(name: string): KubeObject {
  return JSON.parse(readFileSync(join(directory, `${name}.json`), 'utf8'))
}

function runAs(user?: number): object {
  return user === undefined ? {} : { securityContext: { runAsUser: user } }
}

function uid(container?: number, pod?: number): number | undefined {
  const found = recognise({
    spec: { containers: [{ name: 'linkerd-proxy', ...runAs(container) }], ...runAs(pod) },
  })
  return found && 'sidecar' in found ? found.sidecar.proxyUid : undefined
}

void test('each fixture has its expectation', async (t) => {
  const names = readdirSync(directory).map((file) => file.replace('.json', ''))
  t.strictSame(new Set(names), new Set(Object.keys(expected)))
})

for (const [name, recognition] of Object.entries(expected)) {
  void test(name, async (t) => t.strictSame(recognise(fixture(name)), recognition))
}

void test('what is kept of a pod', async (t) => {
  const common = { uid: '5d1f7d4e-8f7f-4d36-9f5b-0c1a2b3c4d5e', ips: ['10.1.0.7'] }
  const kept = (name: string): unknown => podFacts(fixture(name)).observed
  t.strictSame(kept('istio-revision-openshift-uid'), {
    ...common,
    namespace: 'shop',
    name: 'istio-revision',
    mesh: 'istio',
    proxyUid: 1_000_680_001,
    proxyGid: 1_000_680_001,
    proxy:
      'sidecar as uid 1000680001, gid 1000680001; takes connections in at port 15006 and out at 15001; ' +
      'the mesh lets pass by it: inbound ports 15090 15021 15020',
  })
  t.match(kept('istio-ambient'), {
    mesh: 'ambient',
    proxyUid: 0,
    proxyGid: 1337,
    proxy: 'ztunnel as uid 0, gid 1337 on the node',
  })
  t.match(kept('istio-ztunnel'), { ambient: true })
  t.match(kept('host-network'), { hostNetwork: true })
  t.match(kept('no-mesh'), { enabled: true })
})

void test("the uid is the container's, else the pod's, else the mesh's", async (t) => {
  t.equal(uid(5, 6), 5)
  t.equal(uid(undefined, 6), 6)
  t.equal(uid(), 2102)
})

void test('a static pod is known to the node by the hash of its file', async (t) => {
  const pod = fixture('istio-classic')
  const annotations = { 'kubernetes.io/config.mirror': '0123456789abcdef0123456789abcdef' }
  const { runtimeUid, observed } = podFacts({ ...pod, metadata: { ...pod.metadata, annotations } })
  t.equal(runtimeUid, '0123456789abcdef0123456789abcdef')
  t.equal(observed.uid, '5d1f7d4e-8f7f-4d36-9f5b-0c1a2b3c4d5e')
})

void test('pods that have ended, and pods of no shape at all', async (t) => {
  t.match(podFacts({ status: { phase: 'Succeeded' } }).observed, { finished: true })
  t.match(podFacts({ status: { phase: 'Failed', podIP: '10.0.0.1' } }).observed, {
    finished: true,
    ips: ['10.0.0.1'],
  })
  t.strictSame(podFacts({}).observed, { namespace: '', name: '', uid: '', ips: [] })
})
