/** Pods in the forms of the meshes' own injectors, controllers and charts. Each has its source. */
import { test } from 'tap'
import type { ContainerFacts, PodSpecFacts } from '../../../../src/sources/kubernetes/pod-spec.ts'
import {
  describe,
  recognise,
  type Recognition,
  type Sidecar,
} from '../../../../src/sources/kubernetes/recognise.ts'

interface Case {
  readonly what: string
  readonly source: string
  readonly pod: PodSpecFacts
  readonly expected: Recognition
}

const runAs = (runAsUser: number, runAsGroup: number): object => ({
  securityContext: { runAsUser, runAsGroup },
})
const app = { name: 'app' }
const none = { inboundPorts: [], outboundPorts: [], outboundCidrs: [] }

/** A pod as Kuma's injector writes it, with these lines in the two flows. */
const kumaPod = (inbound: string, outbound: string, user = '"5678"'): PodSpecFacts => ({
  metadata: {
    annotations: {
      // The user wrote this. The config has its union with the control plane's own.
      'traffic.kuma.io/exclude-inbound-ports': '1',
      'traffic.kuma.io/transparent-proxy-config':
        `ipFamilyMode: dualstack\nkumaDPUser: ${user}\nredirect:\n` +
        `  dns:\n    enabled: false\n    port: 0\n` +
        `  inbound:\n    enabled: true\n${inbound}  outbound:\n    enabled: true\n${outbound}wait: 5\n`,
    },
  },
  spec: {
    containers: [app],
    initContainers: [
      { name: 'kuma-init', args: ['--config=/tmp/transparent-proxy/base/config.yaml'] },
      { name: 'kuma-sidecar', restartPolicy: 'Always', ...runAs(5678, 5678) },
    ],
  },
})
const kumaFound = (changed: object): Recognition => ({
  sidecar: {
    mesh: 'kuma',
    kind: 'native sidecar',
    proxyUid: 5678,
    proxyGid: 5678,
    redirects: { inboundPort: 15006, outboundPort: 15001, bypass: none, ...changed },
  },
})

const consulDataplane = (name: string): { name: string } => ({ name, ...runAs(5995, 5995) })
/** A sidecar, and the task of the CNI plugin or the init container. */
const consulConfig = JSON.stringify({
  ConsulDNSIP: '',
  ConsulDNSPort: 0,
  ProxyUserID: '5995',
  ProxyInboundPort: 20000,
  ProxyOutboundPort: 15001,
  ExcludeInboundPorts: ['20200', '20300'],
  ExcludeOutboundPorts: null,
  ExcludeOutboundCIDRs: ['10.0.0.0/8'],
  ExcludeUIDs: ['5996'],
  NetNS: '',
  IptablesProvider: null,
})
const consulFound: Recognition = {
  sidecar: {
    mesh: 'consul',
    kind: 'sidecar',
    proxyUid: 5995,
    proxyGid: 5995,
    redirects: {
      inboundPort: 20000,
      outboundPort: 15001,
      bypass: { ...none, inboundPorts: ['20200', '20300'], outboundCidrs: ['10.0.0.0/8'] },
    },
  },
}

const istioInit = (...args: string[]): ContainerFacts => ({
  name: 'istio-init',
  args: ['istio-iptables', '-p', '15001', '-z', '15006', '-u', '1337', ...args],
})
const istioFound = (changed: Partial<Sidecar>): Recognition => ({
  sidecar: {
    mesh: 'istio',
    kind: 'native sidecar',
    proxyUid: 1337,
    proxyGid: 1337,
    redirects: {
      inboundPort: 15006,
      outboundPort: 15001,
      bypass: { ...none, inboundPorts: ['15090', '15021', '15020'] },
    },
    ...changed,
  },
})
const gateway = (mesh: 'istio' | 'consul', proxyUid: number, proxyGid?: number): Recognition => ({
  sidecar: { mesh, kind: 'gateway', proxyUid, ...(proxyGid === undefined ? {} : { proxyGid }) },
})

const kumaGolden = 'kumahq/kuma pkg/plugins/runtime/k8s/webhooks/injector/testdata/inject'
const istioGolden = 'istio/istio pkg/kube/inject/testdata/inject'
const istioFiles = 'istio/istio manifests/charts/istio-control/istio-discovery/files'

const cases: readonly Case[] = [
  {
    what: "Kuma's config: the probe proxy's port passes",
    source: `${kumaGolden}.01.golden.yaml`,
    pod: kumaPod('    excludePorts:\n    - 9000\n    port: 15006\n', '    port: 15001\n'),
    expected: kumaFound({ bypass: { ...none, inboundPorts: ['9000'] } }),
  },
  {
    what: "Kuma's config: ports of both flows",
    source: `${kumaGolden}.16.golden.yaml`,
    pod: kumaPod(
      '    excludePorts:\n    - 1234\n    - 1235\n    - 9000\n    port: 15006\n',
      '    excludePorts:\n    - 1236\n    port: 15001\n',
    ),
    expected: kumaFound({
      bypass: { ...none, inboundPorts: ['1234', '1235', '9000'], outboundPorts: ['1236'] },
    }),
  },
  {
    what: "Kuma's config: another port",
    source: `${kumaGolden}.34.golden.yaml`,
    pod: kumaPod('    port: 15055\n', '    port: 15001\n'),
    expected: kumaFound({ inboundPort: 15055 }),
  },
  {
    what: "Kuma's config: addresses",
    source: `${kumaGolden}.38.golden.yaml`,
    pod: kumaPod(
      '    port: 15006\n',
      '    excludePortsForIPs:\n    - 10.0.0.1\n    - 172.16.0.0/16\n    - fe80::/10\n    port: 15001\n',
    ),
    expected: kumaFound({
      bypass: { ...none, outboundCidrs: ['10.0.0.1', '172.16.0.0/16', 'fe80::/10'] },
    }),
  },
  {
    what: "Kuma's config with a user's name, and no number",
    source: 'kumahq/kuma pkg/transparentproxy/config/config.go: kumaDPUser is a name or a uid',
    pod: kumaPod('    port: 15006\n', '    port: 15001\n', 'kuma-dp'),
    expected: kumaFound({}),
  },
  {
    what: "Kuma's config that somebody has broken: the annotations count",
    source: 'nobody writes it so; it must not end the agent',
    pod: {
      ...kumaPod('', ''),
      metadata: {
        annotations: {
          'traffic.kuma.io/exclude-inbound-ports': '1',
          'traffic.kuma.io/transparent-proxy-config': 'redirect: [',
        },
      },
    },
    expected: kumaFound({ bypass: { ...none, inboundPorts: ['1'] } }),
  },
  {
    what: 'Istio with TPROXY: the sidecar is root, and its gid tells it',
    source: `${istioGolden}/hello-tproxy.yaml.injected`,
    pod: {
      spec: {
        containers: [app],
        initContainers: [
          istioInit('-m', 'TPROXY', '-d', '15090,15021,15020'),
          { name: 'istio-proxy', restartPolicy: 'Always', ...runAs(0, 1337) },
        ],
      },
    },
    expected: istioFound({ proxyUid: 0 }),
  },
  {
    what: 'Istio with TPROXY and ids of its own',
    source: `${istioGolden}/proxy-override-runas.yaml.tproxy.injected`,
    pod: {
      spec: {
        containers: [app],
        initContainers: [
          istioInit('-m', 'TPROXY', '-d', '15090,15021,15020'),
          { name: 'istio-proxy', restartPolicy: 'Always', ...runAs(0, 4321) },
        ],
      },
    },
    expected: istioFound({ proxyUid: 0, proxyGid: 4321 }),
  },
  {
    what: "Istio with SPIRE: the injected sidecar counts, not the user's stub of it",
    source: `${istioGolden}/sidecar-spire.yaml.injected`,
    pod: {
      spec: {
        containers: [app, { name: 'istio-proxy' }],
        initContainers: [
          istioInit('-d', '15090,15021,15020'),
          { name: 'istio-proxy', restartPolicy: 'Always', ...runAs(1337, 1337) },
        ],
      },
    },
    expected: istioFound({}),
  },
  {
    what: "Istio's gateway for the Gateway API",
    source: `${istioFiles}/kube-gateway.yaml`,
    pod: {
      metadata: { labels: { 'gateway.networking.k8s.io/gateway-name': 'edge' } },
      spec: {
        containers: [
          { name: 'istio-proxy', args: ['proxy', 'router', '--domain', 'x'], ...runAs(1337, 1337) },
        ],
      },
    },
    expected: gateway('istio', 1337, 1337),
  },
  {
    what: "Istio's gateway by its template, with ids of the pod",
    source: `${istioGolden}/gateway.yaml.injected`,
    pod: {
      spec: {
        containers: [{ name: 'istio-proxy', args: ['proxy', 'router'] }],
        ...runAs(1337, 1337),
      },
    },
    expected: gateway('istio', 1337, 1337),
  },
  {
    what: 'a waypoint, whose sockets are its own',
    source: `${istioFiles}/waypoint.yaml`,
    pod: {
      metadata: { labels: { 'istio.io/dataplane-mode': 'none' } },
      spec: {
        containers: [{ name: 'istio-proxy', args: ['proxy', 'waypoint'], ...runAs(1337, 1337) }],
      },
    },
    expected: gateway('istio', 1337, 1337),
  },
  {
    what: 'agentgateway as a gateway',
    source: `${istioFiles}/agentgateway.yaml`,
    pod: {
      metadata: { labels: { 'gateway.istio.io/managed': 'istio.io-agentgateway-controller' } },
      spec: {
        containers: [{ name: 'agentgateway', args: ['--config', '{}'], ...runAs(10101, 10101) }],
      },
    },
    expected: gateway('istio', 10101, 10101),
  },
  {
    what: 'agentgateway as a waypoint, on OpenShift',
    source: `${istioFiles}/agentgateway-waypoint.yaml: ProxyUID`,
    pod: {
      metadata: {
        labels: {
          'gateway.istio.io/managed': 'istio.io-agentgateway-waypoint-controller',
          'istio.io/dataplane-mode': 'none',
        },
      },
      spec: { containers: [{ name: 'agentgateway', ...runAs(1000680001, 1000680001) }] },
    },
    expected: gateway('istio', 1000680001, 1000680001),
  },
  {
    what: "somebody's own container of that name",
    source: 'the label above is missing',
    pod: { spec: { containers: [{ name: 'agentgateway' }] } },
    expected: undefined,
  },
  {
    what: "Consul's config in an annotation",
    source: 'hashicorp/consul-k8s control-plane/connect-inject/webhook/redirect_traffic.go',
    pod: {
      metadata: { annotations: { 'consul.hashicorp.com/redirect-traffic-config': consulConfig } },
      spec: { containers: [app, consulDataplane('consul-dataplane')] },
    },
    expected: consulFound,
  },
  {
    what: "Consul's config in the environment",
    source: 'hashicorp/consul-k8s control-plane/connect-inject/webhook/container_init.go',
    pod: {
      spec: {
        containers: [app, consulDataplane('consul-dataplane')],
        initContainers: [
          {
            name: 'consul-connect-inject-init',
            env: [
              { name: 'POD_NAME' },
              { name: 'CONSUL_REDIRECT_TRAFFIC_CONFIG', value: consulConfig },
            ],
          },
        ],
      },
    },
    expected: consulFound,
  },
  {
    what: 'Consul without transparent proxy, as a pod of several services must be',
    source:
      'hashicorp/consul-k8s control-plane/connect-inject/webhook/consul_dataplane_sidecar.go: consul-dataplane-SERVICE',
    pod: {
      spec: {
        containers: [
          app,
          consulDataplane('consul-dataplane-web'),
          consulDataplane('consul-dataplane-web-admin'),
        ],
      },
    },
    expected: { sidecar: { mesh: 'consul', kind: 'sidecar', proxyUid: 5995, proxyGid: 5995 } },
  },
  ...['api-gateway', 'mesh-gateway', 'ingress-gateway', 'terminating-gateway'].map(
    (kind): Case => ({
      what: `Consul's ${kind}`,
      source:
        'hashicorp/consul-k8s control-plane/api-gateway/gatekeeper/{deployment,dataplane}.go, ' +
        'charts/consul/templates/*-gateway*-deployment.yaml',
      pod: {
        metadata: { annotations: { 'consul.hashicorp.com/gateway-kind': kind } },
        spec: { containers: [{ name: 'edge', args: ['-addresses', 'consul-server'] }] },
      },
      expected: gateway('consul', 0),
    }),
  ),
  {
    what: 'a pod that ztunnel serves',
    source:
      'istio/istio cni/pkg/util/podutil.go, manifests/charts/ztunnel/templates/daemonset.yaml',
    pod: {
      metadata: {
        annotations: { 'ambient.istio.io/redirection': 'enabled' },
        labels: { 'istio.io/dataplane-mode': 'ambient' },
      },
      spec: { containers: [app] },
    },
    expected: { sidecar: { mesh: 'ambient', kind: 'ztunnel', proxyUid: 0, proxyGid: 1337 } },
  },
  {
    what: 'a pod that ztunnel does not serve yet',
    source: 'istio/istio pkg/config/constants/constants.go: AmbientRedirectionPending',
    pod: {
      metadata: { annotations: { 'ambient.istio.io/redirection': 'pending' } },
      spec: { containers: [app] },
    },
    expected: { ambient: true },
  },
  {
    what: 'a pod whose namespace alone is of the ambient mesh, once it is served',
    source: 'istio/istio cni/pkg/util/podutil.go: the label may stand on the namespace',
    pod: {
      metadata: { annotations: { 'ambient.istio.io/redirection': 'enabled' } },
      spec: { containers: [app] },
    },
    expected: { sidecar: { mesh: 'ambient', kind: 'ztunnel', proxyUid: 0, proxyGid: 1337 } },
  },
]

for (const { what, source, pod, expected } of cases) {
  void test(`${what} (${source})`, async (t) => t.strictSame(recognise(pod), expected))
}

const words = (pod: PodSpecFacts): string | undefined => {
  const found = recognise(pod)
  return found && 'sidecar' in found ? describe(found.sidecar) : undefined
}

void test('proxies in words', async (t) => {
  const of = (what: string): string | undefined => {
    const found = cases.find((one) => one.what.startsWith(what))
    return found && words(found.pod)
  }
  t.equal(of('a pod that ztunnel serves'), 'ztunnel as uid 0, gid 1337 on the node')
  t.equal(of("Consul's api-gateway"), 'gateway')
  t.equal(of('agentgateway as a gateway'), 'gateway as uid 10101, gid 10101')
  t.equal(of('Consul without transparent proxy'), 'sidecar as uid 5995, gid 5995')
  t.equal(
    of("Kuma's config: ports of both flows"),
    'native sidecar as uid 5678, gid 5678; takes connections in at port 15006 and out at 15001; ' +
      'the mesh lets pass by it: inbound ports 1234 1235 9000, outbound ports 1236',
  )
  t.equal(
    of("Kuma's config with a user's name"),
    'native sidecar as uid 5678, gid 5678; takes connections in at port 15006 and out at 15001',
  )
})
