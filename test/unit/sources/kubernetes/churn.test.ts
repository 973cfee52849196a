import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'tap'
import { createLog } from '../../../../src/lib/log.ts'
import type { NetnsRef } from '../../../../src/pods/observed-pod.ts'
import { Reconciler } from '../../../../src/reconcile/reconciler.ts'
import { KubernetesSource } from '../../../../src/sources/kubernetes/source.ts'
import { FakeDatapath } from '../../../helpers/fake-datapath.ts'
import { FakeKubeApi } from '../../../helpers/fake-kube-api.ts'
import { kubeNamespace, kubePod, node } from '../../../helpers/kube-objects.ts'
import { until } from '../../../helpers/retry.ts'

/** Pseudorandom numbers, the same each time. */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff
    return Math.floor((state / 0x8000_0000) * below)
  }
}

const pathOf = (ref: NetnsRef): string => ('path' in ref ? ref.path : '')

void test('5,000 namespaces and 250 pods that churn, under every fault: the maps equal the desired state', async (t) => {
  await using api = await FakeKubeApi.start()
  const random = numbers(20_261_125)
  const datapath = new FakeDatapath()
  const log = createLog('silent')
  // Each pod of each uid has a namespace of its own, whose path is the cookie.
  const cookies = new Map<string, bigint>()
  const netnsOf = (uid: string): bigint => {
    const cookie = cookies.get(uid) ?? BigInt(cookies.size + 1)
    cookies.set(uid, cookie)
    return cookie
  }
  const reconciler = new Reconciler({
    datapath,
    defaultEnabled: false,
    log,
    netns: {
      identify: pathOf,
      resolve: (ref) => {
        const path = pathOf(ref)
        return { netnsCookie: BigInt(path.slice('/netns/'.length)), netnsPath: path, ips: [] }
      },
    },
  })
  const source = new KubernetesSource({
    config: api.config,
    node,
    log,
    finders: [
      {
        name: 'the runtime',
        find: async (uids) =>
          new Map([...uids].map((uid) => [uid, { path: `/netns/${netnsOf(uid)}` }])),
      },
    ],
    times: { firstRetryMs: 2, longestRetryMs: 20, silenceMs: 300, watchMs: 600_000 },
    searchTimes: { firstRetryMs: 5, longestRetryMs: 20, recheckMs: 60_000 },
  })
  t.teardown(() => {
    source[Symbol.dispose]()
    reconciler[Symbol.dispose]()
  })

  for (let number = 0; number < 5_000; number += 1) {
    api.set('namespaces', kubeNamespace(`n${number}`, number % 2 ? 'true' : undefined))
  }
  let generation = 0
  const put = (slot: number): void => {
    generation += 1
    const annotations = [
      {},
      {},
      { 'meshaccel.io/enabled': 'false' },
      { 'meshaccel.io/enabled': 'true' },
    ]
    api.set(
      'pods',
      kubePod(`n${slot % 50}/p${slot}`, {
        uid: `uid-${slot}-${generation}`,
        ip: `10.0.0.${slot}`,
        sidecar: random(5) > 0,
        annotations: annotations[random(4)] ?? {},
      }),
    )
  }
  for (let slot = 0; slot < 250; slot += 1) put(slot)
  source.watch({
    pods: (pods) => reconciler.update(pods),
    failed: () => undefined,
  })

  const desired = (): string[] =>
    api
      .objects('pods')
      .flatMap(({ metadata, spec }) => {
        const namespace = api
          .objects('namespaces')
          .find((object) => object.metadata?.name === metadata?.namespace)
        const key = 'meshaccel.io/enabled'
        const enabled = metadata?.annotations?.[key] ?? namespace?.metadata?.annotations?.[key]
        const isMeshed = spec?.containers?.some(({ name }) => name === 'istio-proxy')
        return enabled === 'true' && isMeshed ? [String(netnsOf(metadata?.uid ?? ''))] : []
      })
      .toSorted()
  const actual = (): string[] => [...datapath.enrolled()].map(String).toSorted()
  const agree = (): boolean => JSON.stringify(actual()) === JSON.stringify(desired())
  await until('the first state', agree, { pauseMs: 20 })

  const faults = [
    () => api.disconnect(),
    () => api.compact(),
    () => {
      api.disconnect()
      api.compact()
    },
    () => (api.held ??= []),
    () => api.release((changes) => changes.toReversed()),
    () => api.release((changes) => changes.toSorted(() => random(3) - 1)),
    () => api.bookmark(),
    () => void api.failures.set('/api/v1/', { status: 500, message: 'etcd' }),
    () => api.failures.clear(),
    () => void api.down().then(() => api.up()),
  ]
  for (let step = 0; step < 400; step += 1) {
    const slot = random(250)
    // Replaces a pod by another with the same name and address.
    if (random(3) > 0) api.delete('pods', `n${slot % 50}/p${slot}`)
    if (random(4) > 0) put(slot)
    if (random(10) === 0) {
      api.set(
        'namespaces',
        kubeNamespace(`n${random(50)}`, ['true', 'false', undefined, 'maybe'][random(4)]),
      )
    }
    if (random(8) === 0) faults[random(faults.length)]?.()
    await sleep(1)
  }
  api.failures.clear()
  api.release()
  await until('the maps equal the desired state', agree, { pauseMs: 20 }).catch(() => undefined)
  t.strictSame(actual(), desired())
  t.ok(desired().length > 20, 'there is something to compare')
})
