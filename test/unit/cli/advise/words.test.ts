import { test } from 'tap'
import { rank } from '../../../../src/cli/advise/ranking.ts'
import {
  describeAdvice,
  sentencesOf,
  spreadSentences,
  type Surroundings,
} from '../../../../src/cli/advise/words.ts'
import { environmentFor } from '../../../helpers/cli-run.ts'
import { sampleBegun, sampleReport } from '../../../helpers/sample-advice.ts'

const advice = rank(sampleBegun, sampleReport)
const [shop, bank] = advice.namespaces
const around: Surroundings = {
  source: 'kubernetes',
  sidecarsOnly: false,
  peersHere: sampleReport.namespaces.flatMap(({ peers }) => peers).filter(({ peer }) => peer),
  pairs: [
    {
      client: 'shop/web',
      server: 'shop/stock',
      port: 80,
      connections: 2,
      bytesPerSecond: 2048,
      nodes: ['node-3'],
      affinity: { labels: { app: 'stock' } },
    },
  ],
}

void test('what would join, what would not and why, and what to do', async (t) => {
  if (!shop || !bank) throw new Error('the sample has namespaces')
  t.strictSame(sentencesOf(shop, around), [
    'shop: 8 of 10 connections would join.',
    '  2 connections would not (remote-peer): its other end is not in an enrolled pod of this node.',
    '  Next: `meshaccel trial shop` measures what it gains; `kubectl annotate --overwrite namespace shop meshaccel.io/enabled=true` enables it.',
  ])
  t.match(sentencesOf(shop, { ...around, source: 'file' }).at(-1), /`enabled: true` at its pods/)
  t.match(sentencesOf(bank, around), [
    'bank: 0 of 3 connections would join.',
    /2 connections would not \(remote-peer\)/,
    '  On this node, but not enrolled: bank/db (no-mesh).',
    /1 connection would not \(blocking-reader\)/,
    /blocking-readers=accelerate/,
    /At least 898 sockets opened and closed between two looks/,
    '  Next: nothing. Enabling it would change nothing now.',
  ])
  const idle = { ...bank, connections: 0, unseenSockets: 0 }
  t.strictSame(sentencesOf(idle, around), ['bank: its pods had no connection.'])
  const little = { ...shop, savedCpu: 0.0001 }
  t.match(sentencesOf(little, around).at(-1), /too little to matter/)
})

void test('pairs on different nodes, with the affinity that brings them together', async (t) => {
  t.match(spreadSentences(around), [
    /only connections within a node can join/,
    '  shop/web > shop/stock, port 80: 2 connections, 2.0 KiB/s (the other end is on node-3)',
    '  In the pod template of shop/web, this prefers a node that has the server:',
    '    affinity:',
  ])
  const { affinity: _, ...unknown } = around.pairs[0] ?? { client: '' }
  const pairs = Array.from({ length: 7 }, () => ({
    server: '10.1.0.7',
    port: 80,
    connections: 1,
    bytesPerSecond: 0,
    ...unknown,
    nodes: [],
  }))
  const some = spreadSentences({ pairs, placesError: 'no kubeconfig' })
  t.equal(some.filter((line) => line.includes(' > ')).length, 5, 'only those that matter most')
  t.match(some.slice(-2), [/unknown: no kubeconfig/, /KUBECONFIG/])
  t.strictSame(spreadSentences({ pairs: [] }), [])
})

void test('a table, the limits and the cost', async (t) => {
  const text = describeAdvice(advice, around, environmentFor())
  t.match(text, /^NAMESPACE +PODS +CONNECTIONS +BOTH ENDS HERE +WOULD JOIN/)
  t.match(text, /shop +2 +10 +80 % +8 \(80 %\) +16 of 18 +4000 +9\.8 MiB +~1\.5 % CPU/)
  t.match(text, /bank +1 +3 +33 % +0 \(0 %\) +1 of 2 +0 +0 B +-/)
  t.match(
    text,
    /1 pod not watched \(no-mesh\): it has no sidecar of a known mesh\. Such as shop\/batch\./,
  )
  t.match(text, /1 pod not watched \(disabled-by-name\): it says `false`/)
  t.match(text, /exclusion rules of bank\/ledger were not applied/)
  t.match(text, /Counts are measured; joins and savings are predictions\./)
  t.match(
    text,
    /Watched for 10s: 9 looks took 20\.0 ms of processor time \(0\.20 % of a core\), 4\.0 ms at most\./,
  )
  t.notMatch(text, /only sidecars|not counted/)
  const limited = {
    ...advice,
    cost: { ...advice.cost, uncounted: 3 },
    watched: { ...sampleBegun, leftOut: [{ pod: 'shop/x', reason: 'too-many-sockets' }] },
  }
  const more = describeAdvice(limited, { ...around, sidecarsOnly: true }, environmentFor())
  t.match(more, /Up to 3 connections in a look were not counted/)
  t.match(more, /only sidecars read from the fast path/)
  t.match(more, /as many sockets as advice may watch/)
})
