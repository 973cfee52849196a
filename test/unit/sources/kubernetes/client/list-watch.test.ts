import { test, type Test } from 'tap'
import { KubeApi } from '../../../../../src/sources/kubernetes/client/api.ts'
import {
  ListWatch,
  type ListWatchTimes,
} from '../../../../../src/sources/kubernetes/client/list-watch.ts'
import { FakeKubeApi } from '../../../../helpers/fake-kube-api.ts'
import { kubeNamespace, kubePod } from '../../../../helpers/kube-objects.ts'
import { until } from '../../../../helpers/retry.ts'

interface Following {
  readonly api: FakeKubeApi
  readonly pods: ListWatch<string>
  /** The reported errors, and `answered` after each. */
  readonly said: string[]
  readonly run: () => void
  readonly knows: (names: string) => Promise<void>
  readonly lists: () => number
}

async function following(t: Test, times: Partial<ListWatchTimes> = {}): Promise<Following> {
  const api = await FakeKubeApi.start()
  const said: string[] = []
  const stop = new AbortController()
  const pods = new ListWatch<string>(
    new KubeApi(api.config),
    {
      name: 'pods',
      path: '/api/v1/pods',
      pageSize: 2,
      keep: ({ metadata }) => metadata?.uid,
    },
    {
      changed: () => undefined,
      failed: ({ code, message }) => said.push(`${code} ${message}`),
      answered: () => said.push('answered'),
    },
    { firstRetryMs: 5, longestRetryMs: 20, silenceMs: 60_000, watchMs: 600_000, ...times },
  )
  let running = Promise.resolve()
  t.teardown(async () => {
    stop.abort()
    await api.down()
    await running
  })
  const known = (): string => [...pods.entries()].map(([key]) => key.slice(2)).join(' ')
  return {
    api,
    pods,
    said,
    run: () => (running = pods.run(stop.signal)),
    knows: async (names) => {
      await until(`${names}, not ${known()}`, () => known() === names, { pauseMs: 10 })
    },
    lists: () =>
      api.requests.filter(({ url: { searchParams } }) => {
        return !searchParams.has('watch') && !searchParams.has('continue')
      }).length,
  }
}

void test('a list whose next page is too late begins anew', async (t) => {
  const { api, pods, said, run, knows, lists } = await following(t)
  for (const name of ['a', 'b', 'c']) api.set('pods', kubePod(`x/${name}`))
  api.expiredPages = 2
  run()
  await knows('a b c')
  t.equal(pods.synced, true)
  t.equal(lists(), 3)
  t.notMatch(said, [/API_/], 'that is no trouble to tell of')
})

for (const goneByStatus of [false, true]) {
  const how = goneByStatus ? 'the status' : 'an event'
  void test(`a watch that is told by ${how} that it comes too late lists anew`, async (t) => {
    const { api, said, run, knows, lists } = await following(t)
    api.goneByStatus = goneByStatus
    api.set('pods', kubePod('x/a'))
    run()
    await until('it watches', () => api.watching === 1)
    await api.down()
    api.set('pods', kubePod('x/b'))
    api.delete('pods', 'x/a')
    api.forget()
    await api.up()
    await knows('b')
    t.equal(lists(), 2)
    t.match(said.at(-1), 'answered')
  })
}

void test('goes on from the last bookmark when all before is forgotten', async (t) => {
  const { api, run, knows, lists } = await following(t)
  api.set('pods', kubePod('x/a'))
  run()
  await until('it watches', () => api.watching === 1)
  // Time passes without an event for this watch.
  for (let number = 0; number < 50; number++) api.set('namespaces', kubeNamespace(`n${number}`))
  api.bookmark()
  // This event comes after the bookmark, so the bookmark has been read.
  api.set('pods', kubePod('x/b'))
  await knows('a b')
  for (let number = 0; number < 50; number++) api.set('namespaces', kubeNamespace(`m${number}`))
  api.bookmark()
  api.forget()
  const asked = api.requests.length
  api.finish()
  await until('it watches again', () => api.watching === 1 && api.requests.length > asked)
  api.set('pods', kubePod('x/c'))
  await knows('a b c')
  t.equal(lists(), 1)
})

void test('a server that ends watches at once is not asked at once again', async (t) => {
  const { api, run, knows } = await following(t, { firstRetryMs: 600_000, longestRetryMs: 600_000 })
  api.set('pods', kubePod('x/a'))
  api.endsWatches = true
  run()
  await knows('a')
  const watches = (): number =>
    api.requests.filter(({ url }) => url.searchParams.has('watch')).length
  await until('it has watched', () => watches() === 1)
  for (let times = 0; times < 50; times++) await (await fetch(`${api.url}/api/v1/pods`)).text()
  t.equal(watches(), 1)
})

const strangers: readonly (readonly [what: string, answer: string])[] = [
  ['a page', '<html>Sign in to the network</html>'],
  ['an object that is no list', '{"kind": "Status", "status": "Success"}'],
  ['nothing', 'null'],
  ['a list of nothings', '{"metadata": {"resourceVersion": "9"}, "items": [null]}'],
]
for (const [what, answer] of strangers) {
  void test(`${what} in place of a list takes nothing away`, async (t) => {
    const { api, pods, said, run, knows } = await following(t)
    api.set('pods', kubePod('x/a'))
    run()
    await until('it watches', () => api.watching === 1)
    api.failures.set('/api/v1/pods', { status: 200, message: answer, raw: true })
    api.compact()
    await until('it says so', () => said.some((line) => line.startsWith('API_NONSENSE')))
    t.equal(pods.get('x/a'), 'uid-a')
    api.set('pods', kubePod('x/b'))
    api.failures.clear()
    await knows('a b')
    t.equal(said.at(-1), 'answered')
  })
}

for (const line of ['<html>', '{"type": "ADDED"}', 'null']) {
  void test(`a watch that says ${line} is not believed`, async (t) => {
    const { api, said, run, knows, lists } = await following(t)
    api.set('pods', kubePod('x/a'))
    run()
    await until('it watches', () => api.watching === 1)
    api.babble(line)
    await until('it says so', () => said.some((text) => text.startsWith('API_NONSENSE')))
    api.set('pods', kubePod('x/b'))
    await knows('a b')
    t.equal(lists(), 2)
  })
}
