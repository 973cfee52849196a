import { test } from 'tap'
import { readEnabled } from '../../../src/sources/kubernetes/annotations.ts'
import { misspelt } from '../../../src/sources/kubernetes/misspelt.ts'

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
    'meshaccel.io/exclude-port': 'meshaccel.io/exclude-ports',
    'meshaccel.io/excludeInboundPorts': 'meshaccel.io/exclude-ports',
    'meshaccel.io/exclude-cidr': 'meshaccel.io/exclude-cidrs',
  }
  for (const [key, guess] of Object.entries(meant)) {
    t.strictSame(misspelt({ [key]: 'true' }, {}), [
      `the annotation ${key} is unknown and ignored; did you mean ${guess}?`,
    ])
  }
})

void test('our annotations as labels', async (t) => {
  t.strictSame(misspelt({}, { 'meshaccel.io/enabled': 'true' }), [
    'meshaccel.io/enabled is a label, which is ignored; did you mean the annotation meshaccel.io/enabled?',
  ])
})

void test('what is right, and what others write, is left alone', async (t) => {
  const annotations = {
    'meshaccel.io/enabled': 'true',
    'meshaccel.io/blocking-readers': 'accelerate',
    'meshaccel.io/exclude-ports': '1',
    'meshaccel.io/exclude-cidrs': '::1',
    'meshaccel.io/exclude-uids': '1',
    'sidecar.istio.io/inject': 'true',
    'linkerd.io/inject': 'enabled',
    enabled: 'true',
    'kubectl.kubernetes.io/last-applied-configuration': '{}',
  }
  const labels = { app: 'meshaccel', 'app.kubernetes.io/name': 'x', 'istio-injection': 'enabled' }
  t.strictSame(misspelt(annotations, labels), [])
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
