import { test } from 'tap'
import type { FlowEndView, FlowView, PodView } from '../../../../src/api/views.ts'
import { explainPair, type OtherPod } from '../../../../src/cli/output/pair-explanation.ts'
import { sampleStatus } from '../../../helpers/sample-status.ts'

const pod = (name: string, ip: string, changed: Partial<PodView> = {}): PodView => ({
  namespace: 'shop',
  name,
  enrolled: true,
  mesh: 'istio',
  ips: [ip],
  connections: { engaged: 0, plain: 0 },
  redirectedBytes: 0n,
  ...changed,
})

const cart = pod('cart', '10.0.0.1')
const stock = pod('stock', '10.0.0.2')
const off = { enrolled: false, reason: 'disabled' }
const seen = (view: PodView): OtherPod => ({ key: `${view.namespace}/${view.name}`, view })

function flow(
  client: FlowEndView | undefined,
  server: FlowEndView | undefined,
  reason?: string,
): FlowView {
  const path = reason === undefined ? { path: 'redirect' } : { path: 'tcp', reason }
  const bytes = { redirectedBytes: 1024n, tcpBytes: 0n, unreadBytes: 0n }
  return {
    identity: '1:2',
    state: 'watched',
    ageMs: 1n,
    ...(client && { client }),
    ...(server && { server }),
    directions: ['client', 'server'].map((from) => ({ from, ...path, ...bytes })),
  }
}

const end = (of: string, address: string, remote?: string): FlowEndView => ({
  pod: of,
  address,
  ...(remote === undefined ? {} : { remote }),
})

const explained = (one: PodView, to: OtherPod, flows: readonly FlowView[]) =>
  explainPair({ status: sampleStatus, pod: one, to, pods: [cart, stock], flows })

const there = flow(end('shop/cart', '10.0.0.1:4000'), end('shop/stock', '10.0.0.2:80'))
const back = flow(end('shop/stock', '10.0.0.2:5000'), end('shop/cart', '10.0.0.1:80'), 'waitall')
const other = flow(end('shop/cart', '10.0.0.1:4001'), end('shop/web', '10.0.0.3:80'))

void test('connections between the two count, in either direction, and no others', async (t) => {
  const { connections, sentences, ...names } = explained(cart, seen(stock), [there, back, other])
  t.strictSame(names, { pod: 'shop/cart', to: 'shop/stock' })
  t.strictSame(connections, { fast: 1, slow: { waitall: 1 } })
  t.match(sentences, [
    'Of 2 connections between shop/cart and shop/stock, 1 is fast; 4.0 KiB went that way.',
    /1 connection on TCP \(waitall\): its reader waits for whole buffers/,
    '  Such as: shop/stock > shop/cart 10.0.0.1:80.',
  ])
})

void test('an end that is not enrolled is known by its address', async (t) => {
  const disabled = { ...stock, ...off }
  const calls = flow(end('shop/cart', '10.0.0.1:4000', '10.0.0.2:80'), undefined, 'remote-peer')
  const called = flow(undefined, end('shop/cart', '10.0.0.1:80', '10.0.0.2:4000'), 'remote-peer')
  const elsewhere = flow(end('shop/cart', '10.0.0.1:4000', '10.0.0.9:80'), undefined, 'remote-peer')
  const withdrawn = flow(end('shop/cart', '10.0.0.1:4000'), end('', '10.0.0.2:80'), 'pod-disabled')
  const flows = [calls, called, elsewhere, withdrawn]
  const { connections, sentences } = explained(cart, seen(disabled), flows)
  t.strictSame(connections, { fast: 0, slow: { 'remote-peer': 2, 'pod-disabled': 1 } })
  t.match(sentences[0], /shop\/stock is not accelerated: nobody has enabled it/)
  const turned = explained(disabled, seen(cart), flows)
  t.strictSame(turned.connections, connections, 'the other way round')
})

void test('both pods without enrolment, and connections within one pod', async (t) => {
  const neither = explained({ ...cart, ...off }, seen({ ...stock, ...off }), [])
  t.match(neither.sentences, [
    /shop\/cart is not accelerated/,
    /Next/,
    /shop\/stock is not accelerated/,
    /Next/,
    /watches connections of enrolled pods only/,
  ])
  const inside = flow(end('shop/cart', '10.0.0.1:4000'), end('shop/cart', '127.0.0.1:15001'))
  const own = explained(cart, seen(cart), [inside, there])
  t.strictSame(own.connections, { fast: 1, slow: {} })
})

void test('a pod of another node', async (t) => {
  const unknown = explained(cart, { key: 'bank/ledger' }, [other])
  t.match(unknown.sentences, [
    /does not see bank\/ledger: it is on another node, or it is gone\. Connections between nodes/,
    /pod affinity/,
    /Which of the connections of shop\/cart lead there is not known/,
  ])
  const to = { key: 'bank/ledger', ips: ['10.1.0.7'], node: 'node-2' }
  const away = flow(end('shop/cart', '10.0.0.1:4000', '10.1.0.7:80'), undefined, 'remote-peer')
  const { sentences, connections } = explained(cart, to, [away, other])
  t.match(sentences[0], 'bank/ledger is on node node-2, and shop/cart is on this one.')
  t.strictSame(connections, { fast: 0, slow: { 'remote-peer': 1 } })
})

void test('no connection, and why that may be', async (t) => {
  t.match(explained(cart, seen(stock), []).sentences, [
    'There is no connection between shop/cart and shop/stock now.',
    /Look again while they talk/,
  ])
  const linkerd = { ...stock, mesh: 'linkerd' }
  t.match(explained(cart, seen(linkerd), [other]).sentences, [
    'There is no connection between shop/cart and shop/stock now.',
    /1 connection of shop\/cart leads elsewhere: a gateway/,
    /Their meshes differ \(istio, linkerd\)/,
  ])
})
