/** One form of the runtime's CNI directory, as a distribution, a network or a person writes it. */
export interface Form {
  readonly name: string
  /** The source of the form: a repository's file, or a page. */
  readonly source: string
  readonly files: Readonly<Record<string, string | Buffer>>
  /** The plugins that the node has. */
  readonly plugins: readonly string[]
  /** The file that gets our entry, or the reason why none does. */
  readonly chained?: string
  readonly refused?: RegExp
}

const tabs = (value: unknown): string => `\n${JSON.stringify(value, undefined, '\t')}\n`
const compact = (value: unknown): string => JSON.stringify(value)
const spaces = (value: unknown): string => JSON.stringify(value, undefined, 2)

const portmap = { type: 'portmap', capabilities: { portMappings: true } }

/**
 * The shapes are from the sources. Names and values are reduced to those that could mislead a reader of these files.
 */
export const forms: readonly Form[] = [
  {
    name: 'kindnet: a line feed first, tabs, its temporary file beside it',
    source: 'kubernetes-sigs/kind images/kindnetd/cmd/kindnetd/cni.go',
    files: {
      '10-kindnet.conflist': tabs({
        cniVersion: '0.3.1',
        name: 'kindnet',
        plugins: [
          {
            type: 'ptp',
            ipMasq: false,
            ipam: { type: 'host-local', ranges: [[{ subnet: '10.244.0.0/24' }]] },
          },
          portmap,
        ],
      }),
      '10-kindnet.conflist.temp': '',
    },
    plugins: ['ptp', 'portmap'],
    chained: '10-kindnet.conflist',
  },
  {
    name: 'minikube: a number first, booleans as strings, others set aside by a suffix',
    source: 'kubernetes/minikube pkg/minikube/cni/bridge.go, cni.go (.mk_disabled)',
    files: {
      '1-k8s.conflist': `\n${spaces({ cniVersion: '0.4.0', name: 'bridge', plugins: [{ type: 'bridge', addIf: 'true', isDefaultGateway: true }, portmap, { type: 'firewall' }] })}\n`,
      '87-podman-bridge.conflist.mk_disabled':
        '{"cniVersion": "0.4.0", "name": "podman", "plugins": [{"type": "bridge"}]}',
    },
    plugins: ['bridge', 'portmap', 'firewall'],
    chained: '1-k8s.conflist',
  },
  {
    name: 'the Amazon VPC CNI: a number as a string, disableCheck, plugins with names',
    source: 'aws/amazon-vpc-cni-k8s misc/10-aws.conflist',
    files: {
      '10-aws.conflist': spaces({
        cniVersion: '0.4.0',
        name: 'aws-cni',
        disableCheck: true,
        plugins: [
          {
            name: 'aws-cni',
            type: 'aws-cni',
            mtu: '9001',
            capabilities: { 'io.kubernetes.cri.pod-annotations': true },
          },
          {
            name: 'egress-cni',
            type: 'egress-cni',
            enabled: 'false',
            ipam: { type: 'host-local' },
          },
          { ...portmap, snat: true },
        ],
      }),
    },
    plugins: ['aws-cni', 'egress-cni', 'portmap'],
    chained: '10-aws.conflist',
  },
  {
    name: 'the Amazon VPC CNI of 2018: a list without a version',
    source: 'aws/amazon-vpc-cni-k8s misc/10-aws.conflist, its first versions',
    files: {
      '10-aws.conflist': spaces({
        name: 'aws-cni',
        plugins: [{ name: 'aws-cni', type: 'aws-cni' }, portmap],
      }),
    },
    plugins: ['aws-cni', 'portmap'],
    refused: /`cniVersion` is none/,
  },
  {
    name: 'Azure: three spaces, an array within the plugin',
    source: 'Azure/azure-container-networking cni/azure-linux.conflist',
    files: {
      '10-azure.conflist': JSON.stringify(
        {
          cniVersion: '0.3.0',
          name: 'azure',
          plugins: [
            {
              type: 'azure-vnet',
              mode: 'transparent',
              ipsToRouteViaHost: ['169.254.20.10'],
              ipam: { type: 'azure-vnet-ipam' },
            },
            portmap,
          ],
        },
        undefined,
        3,
      ),
    },
    plugins: ['azure-vnet', 'portmap'],
    chained: '10-azure.conflist',
  },
  {
    name: 'k3s: flannel, in the directory that also has its kubeconfig',
    source: 'k3s-io/k3s pkg/agent/flannel/setup.go',
    files: {
      '10-flannel.conflist': `{\n  "name":"cbr0",\n  "cniVersion":"1.0.0",\n  "plugins":[\n    {\n      "type":"flannel",\n      "delegate":{\n        "forceAddress":true,\n        "isDefaultGateway":true\n      }\n    },\n    ${compact(portmap)},\n    {"type":"bandwidth","capabilities":{"bandwidth":true}}\n  ]\n}\n`,
      'cni-kubeconfig.yaml': 'kind: Config\n',
    },
    plugins: ['flannel', 'portmap', 'bandwidth'],
    chained: '10-flannel.conflist',
  },
  {
    name: 'Cilium: a line feed first, none at the end',
    source: 'cilium/cilium daemon/cmd/cni/config.go',
    files: {
      '05-cilium.conflist': `\n{\n  "cniVersion": "0.3.1",\n  "name": "cilium",\n  "plugins": [\n    {\n       "type": "cilium-cni",\n       "enable-debug": false\n    }\n  ]\n}`,
      '10-other.conf.cilium_bak': '{"name": "other", "type": "bridge"}',
    },
    plugins: ['cilium-cni'],
    chained: '05-cilium.conflist',
  },
  {
    name: 'OVN-Kubernetes: one plugin, compact, with empty objects',
    source: 'ovn-org/ovn-kubernetes go-controller/pkg/config/cni.go',
    files: {
      '10-ovn-kubernetes.conf': compact({
        cniVersion: '1.0.0',
        name: 'ovn-kubernetes',
        type: 'ovn-k8s-cni-overlay',
        ipam: {},
        dns: {},
        logFile: '/var/log/ovn.log',
      }),
    },
    plugins: ['ovn-k8s-cni-overlay'],
    chained: '10-ovn-kubernetes-meshaccel-10-ovn-kubernetes.conflist',
  },
  {
    name: 'Multus, which embeds the list of the network below it',
    source: 'k8snetworkplumbingwg/multus-cni pkg/server/config/generator.go',
    files: {
      '00-multus.conf': compact({
        cniVersion: '0.3.1',
        name: 'multus-cni-network',
        type: 'multus',
        capabilities: { portMappings: true },
        delegates: [
          { cniVersion: '0.3.1', name: 'k8s-pod-network', plugins: [{ type: 'calico' }, portmap] },
        ],
      }),
      '10-calico.conflist': compact({
        cniVersion: '0.3.1',
        name: 'k8s-pod-network',
        plugins: [{ type: 'calico' }, portmap],
      }),
    },
    plugins: ['multus', 'calico', 'portmap'],
    chained: '00-multus-meshaccel-00-multus.conflist',
  },
  {
    name: 'CRI-O: its bridge of today, and a loopback',
    source: 'cri-o/cri-o contrib/cni/11-crio-ipv4-bridge.conflist, 99-loopback.conflist',
    files: {
      '11-crio-ipv4-bridge.conflist': spaces({
        cniVersion: '1.0.0',
        name: 'crio',
        plugins: [{ type: 'bridge', bridge: 'cni0', isGateway: true }],
      }),
      '99-loopback.conflist': spaces({
        cniVersion: '1.0.0',
        name: 'loopback',
        plugins: [{ type: 'loopback' }],
      }),
    },
    plugins: ['bridge', 'loopback'],
    chained: '11-crio-ipv4-bridge.conflist',
  },
  {
    name: 'CRI-O before 1.24: single plugins',
    source: 'cri-o/cri-o contrib/cni/10-crio-bridge.conf',
    files: {
      '100-crio-bridge.conf': `${spaces({ cniVersion: '0.3.1', name: 'crio', type: 'bridge', bridge: 'cni0' })}\n`,
      '200-loopback.conf':
        '{\n    "cniVersion": "0.3.1",\n    "name": "loopback",\n    "type": "loopback"\n}\n',
    },
    plugins: ['bridge', 'loopback'],
    chained: '100-crio-bridge-meshaccel-100-crio-bridge.conflist',
  },
  {
    name: 'a loopback of 0.2.0 first, as old guides have it',
    source:
      'containernetworking/cni README.md of 2016: 99-loopback.conf, here under a number that comes first',
    files: {
      '05-loopback.conf': '{"cniVersion": "0.2.0", "type": "loopback"}',
      '10-bridge.conf': compact({ cniVersion: '0.3.1', name: 'bridge', type: 'bridge' }),
    },
    plugins: ['loopback', 'bridge'],
    refused: /has no `name`/,
  },
  {
    name: 'Weave before 2018: one plugin without a version',
    source: 'guides of 2017 for weave-net: /etc/cni/net.d/10-weave.conf',
    files: {
      '10-weave.conf':
        '{\n    "name": "weave",\n    "type": "weave-net",\n    "hairpinMode": true\n}\n',
    },
    plugins: ['weave-net'],
    refused: /`cniVersion` is none/,
  },
  {
    name: 'Weave with 0.2.0',
    source: 'opensvc set-up scripts for weave-net: weave.conf',
    files: {
      'weave.conf':
        '{\n    "cniVersion": "0.2.0",\n    "name": "weave",\n    "type": "weave-net"\n}\n',
    },
    plugins: ['weave-net'],
    refused: /`cniVersion` is 0\.2\.0/,
  },
  {
    name: 'kube-router: the words not in the usual order',
    source: 'cloudnativelabs/kube-router daemonset/generic-kuberouter.yaml',
    files: {
      '10-kuberouter.conflist':
        '{\n   "plugins":[{"isDefaultGateway":true,"type":"bridge","ipam":{"type":"host-local"}},{"capabilities":{"snat":true,"portMappings":true},"type":"portmap"}],\n   "name":"mynet",\n   "cniVersion":"0.3.0"\n}',
    },
    plugins: ['bridge', 'portmap'],
    chained: '10-kuberouter.conflist',
  },
  {
    name: 'libcni 1.1: several versions to choose from, and garbage collection off',
    source: 'containernetworking/cni SPEC.md 1.1.0, libcni/conf.go',
    files: {
      '10-net.conflist': compact({
        cniVersion: '0.4.0',
        cniVersions: ['0.4.0', '1.0.0', '1.1.0'],
        disableGC: 'true',
        name: 'net',
        plugins: [{ type: 'ptp' }],
      }),
    },
    plugins: ['ptp'],
    chained: '10-net.conflist',
  },
  {
    name: 'a list in a file for one plugin comes first: CRI-O passes it over',
    source: 'cri-o/ocicni pkg/ocicni/ocicni.go: "perhaps this is a .conflist?"',
    files: {
      '01-list.conf': compact({ cniVersion: '1.0.0', name: 'net', plugins: [{ type: 'ptp' }] }),
      '10-net.conflist': compact({ cniVersion: '1.0.0', name: 'net', plugins: [{ type: 'ptp' }] }),
    },
    plugins: ['ptp'],
    chained: '10-net.conflist',
  },
  {
    name: 'an installer is half done: its file is empty',
    source:
      'k8snetworkplumbingwg/multus-cni pkg/server/config/manager.go: a write that truncates first',
    files: {
      '10-calico.conflist': '',
      '20-net.conflist': compact({ cniVersion: '1.0.0', name: 'net', plugins: [{ type: 'ptp' }] }),
    },
    plugins: ['ptp'],
    chained: '20-net.conflist',
  },
  {
    name: 'Windows line ends, and lone carriage returns',
    source: 'RFC 8259 section 2: both are white space; files copied from Windows have the first',
    files: {
      '10-net.conflist':
        '{\r\n"cniVersion": "1.0.0",\r"name": "net",\r\n"plugins": [\r{"type": "ptp"}\r]}\r\n',
    },
    plugins: ['ptp'],
    chained: '10-net.conflist',
  },
  {
    name: 'Latin-1 in a comment of a plugin',
    source: "Go's encoding/json: it reads bytes that are no UTF-8 as U+FFFD",
    files: {
      '10-net.conflist': Buffer.from(
        '{"cniVersion": "1.0.0", "name": "net", "plugins": [{"type": "ptp", "_comment": "f\xfcr"}]}',
        'latin1',
      ),
    },
    plugins: ['ptp'],
    chained: '10-net.conflist',
  },
  {
    name: 'a byte order mark: Go cannot read it',
    source: "RFC 8259 section 8.1; Go's encoding/json refuses it",
    files: {
      '10-net.conflist':
        '\ufeff{"cniVersion": "1.0.0", "name": "net", "plugins": [{"type": "ptp"}]}',
    },
    plugins: ['ptp'],
    refused: /no network is configured .*it is not JSON/,
  },
  {
    name: 'as deep as Go reads, and one level deeper',
    source: "Go's encoding/json: maxNestingDepth",
    files: {
      '05-net.conflist': `{"cniVersion": "1.0.0", "name": "deeper", "plugins": [{"type": "ptp", "a": ${'['.repeat(9_998)}${']'.repeat(9_998)}}]}`,
      '10-net.conflist': `{"cniVersion": "1.0.0", "name": "net", "plugins": [{"type": "ptp", "a": ${'['.repeat(9_900)}${']'.repeat(9_900)}}]}`,
    },
    plugins: ['ptp'],
    chained: '10-net.conflist',
  },
  {
    name: 'names in other cases, and repeated ones',
    source: "Go's encoding/json: names of fields in any case, the last one counts",
    files: {
      '10-net.conflist':
        '{"cniVersion": "1.0.0", "name": "x", "name": "net", "plugins": [{"Type": "ptp"}]}',
    },
    plugins: ['ptp'],
    chained: '10-net.conflist',
  },
  {
    name: 'GKE: its plugins are in another directory',
    source: 'cilium/cilium examples/kubernetes/node-init/README.rst: /home/kubernetes/bin',
    files: {
      '10-containerd-net.conflist': spaces({
        cniVersion: '0.3.1',
        name: 'k8s-pod-network',
        plugins: [{ type: 'ptp', mtu: 1460 }, portmap],
      }),
    },
    plugins: [],
    refused: /10-containerd-net\.conflist runs plugins that are not there: .* has no ptp/,
  },
]
