import { test } from 'tap'
import { readEnabled } from '../../../../src/sources/kubernetes/annotations.ts'
import { misspelt } from '../../../../src/sources/kubernetes/misspelt.ts'

void test('annotations that were meant to be ours', async (t) => {
  const meant = {
    'meshaccel.io/enable': 'meshaccel.io/enabled',
    'meshaccel/enabled': 'meshaccel.io/enabled',
    'meshacel.io/enabled': 'meshaccel.io/enabled',
    'Meshaccel.io/Enabled': 'meshaccel.io/enabled',
    'meshaccel.io/inject': 'meshaccel.io/enabled',
    'sidecar.meshaccel.io/acceleration': 'meshaccel.io/enabled',
    'meshaccel.io/blocking-reader': 'meshaccel.io/blocking-readers',
    'meshaccel.io/blockingReaders': 'meshaccel.io/blocking-readers',
    'meshaccel.io/block': 'meshaccel.io/blocking-readers',
    'meshaccel.io/gaurd': 'meshaccel.io/guard',
    'meshaccel.io/guard-percent': 'meshaccel.io/guard',
    'meshaccel.io/disabled': 'meshaccel.io/enabled',
    'meshaccel.io/exclude-port': 'meshaccel.io/exclude-ports',
    'meshaccel.io/exclude-prots': 'meshaccel.io/exclude-ports',
    'meshaccel.io/excluded-ports': 'meshaccel.io/exclude-ports',
    'meshaccel.io/exclude': 'meshaccel.io/exclude-ports',
    'meshaccel.io/skip-inbound-ports': 'meshaccel.io/exclude-ports',
    'meshaccel.io/excludeInboundPorts': 'meshaccel.io/exclude-ports',
    'meshaccel-exclude-ports': 'meshaccel.io/exclude-ports',
    'example.com/meshaccel-exclude-ports': 'meshaccel.io/exclude-ports',
    'meshaccel.io/exclude-cidr': 'meshaccel.io/exclude-cidrs',
    'meshaccel.io/exclude-cirds': 'meshaccel.io/exclude-cidrs',
    'meshaccel.io/exclude-ip': 'meshaccel.io/exclude-cidrs',
    'meshaccel.io/exclude-ips': 'meshaccel.io/exclude-cidrs',
    'meshaccel.io/excludeOutboundIPRanges': 'meshaccel.io/exclude-cidrs',
    'meshacel.io/exclude-ip': 'meshaccel.io/exclude-cidrs',
    'meshaccel.io/skip-subnets': 'meshaccel.io/exclude-cidrs',
    'meshaccel.io/exclude-addresses': 'meshaccel.io/exclude-cidrs',
    'meshaccel.io/exclude-uid': 'meshaccel.io/exclude-uids',
    'meshaccel.io/exclude-users': 'meshaccel.io/exclude-uids',
    'meshaccel.io/exclude-user-ids': 'meshaccel.io/exclude-uids',
    'meshaccel.io/exclude-gid': 'meshaccel.io/exclude-uids',
  }
  for (const [key, guess] of Object.entries(meant)) {
    const said = `the annotation ${key} is unknown`
    t.strictSame(
      misspelt({ [key]: 'true' }, {}),
      {
        problems: [`${said}: the pod is not accelerated; did you mean ${guess}?`],
        excludes: guess.includes('exclude'),
        isUnknown: true,
      },
      key,
    )
    t.strictSame(misspelt({ [key]: 'true' }, {}, 'its pods are').problems, [
      `${said}: its pods are not accelerated; did you mean ${guess}?`,
    ])
  }
})

void test('our annotations as labels', async (t) => {
  t.strictSame(misspelt({}, { 'meshaccel.io/enabled': 'true' }), {
    problems: [
      'meshaccel.io/enabled is a label, which is ignored; did you mean the annotation meshaccel.io/enabled?',
    ],
    excludes: false,
    isUnknown: false,
  })
  t.strictSame(misspelt({}, { 'meshaccel.io/exclude-ports': '80' }), {
    problems: [
      'meshaccel.io/exclude-ports is a label: the pod is not accelerated; ' +
        'did you mean the annotation meshaccel.io/exclude-ports?',
    ],
    excludes: true,
    isUnknown: false,
  })
})

void test('what is right, and what others write, is left alone', async (t) => {
  const annotations = {
    'meshaccel.io/enabled': 'true',
    'meshaccel.io/blocking-readers': 'accelerate',
    'meshaccel.io/guard': '10%',
    'meshaccel.io/exclude-ports': '1',
    'meshaccel.io/exclude-cidrs': '::1',
    'meshaccel.io/exclude-uids': '1',
    'sidecar.istio.io/inject': 'true',
    'traffic.sidecar.istio.io/excludeInboundPorts': '80',
    'traffic.kuma.io/exclude-outbound-ips': '10.0.0.1',
    'config.linkerd.io/skip-subnets': '10.0.0.0/8',
    'meshery.io/enabled': 'true',
    'example.com/meshaccel-owner': 'platform',
    'linkerd.io/inject': 'enabled',
    enabled: 'true',
    'kubectl.kubernetes.io/last-applied-configuration': '{}',
  }
  const labels = { app: 'meshaccel', 'app.kubernetes.io/name': 'x', 'istio-injection': 'enabled' }
  t.strictSame(misspelt(annotations, labels), {
    problems: [],
    excludes: false,
    isUnknown: false,
  })
})

void test('values that were meant to be true or false', async (t) => {
  for (const [text, guess] of [
    ['yes', 'true'],
    ['True', 'true'],
    [' true', 'true'],
    ['ture', 'true'],
    ['enabled', 'true'],
    ['no', 'false'],
    ['flase', 'false'],
    ['0', 'false'],
  ] as const) {
    const { problem = '' } = readEnabled({ 'meshaccel.io/enabled': text })
    t.ok(problem.endsWith(`did you mean "${guess}"?`), `${text}: ${problem}`)
  }
  t.notMatch(readEnabled({ 'meshaccel.io/enabled': 'maybe later' }).problem, /did you mean/)
})
