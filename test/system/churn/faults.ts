import { setTimeout as sleep } from 'node:timers/promises'
import type { FakeKubeApi } from '../../helpers/fake-kube-api.ts'
import type { Random } from '../soak/random.ts'

/** Faults of API servers and of the networks before them. Each ends within a second or two. */
type Fault = (api: FakeKubeApi, random: Random) => Promise<void> | void

const faults: Readonly<Record<string, Fault>> = {
  disconnect: (api) => api.disconnect(),
  // 410 in the middle of watches, and for the lists under way.
  compaction: (api) => api.compact(),
  // 410 at the attempt to go on.
  'disconnect and compaction': (api) => {
    api.disconnect()
    api.compact()
  },
  restart: async (api) => {
    await api.down()
    await sleep(1_000)
    await api.up()
  },
  'slow events': async (api) => {
    api.held = []
    await sleep(1_500)
    api.release()
  },
  'reordered events': async (api, random) => {
    api.held = []
    await sleep(500)
    api.release((changes) =>
      changes
        .map((change) => ({ change, order: random.integer(0, 1_000) }))
        .toSorted((one, other) => one.order - other.order)
        .map(({ change }) => change),
    )
  },
  'failing server': async (api) => {
    api.failures.set('/api/v1/', { status: 500, message: 'etcdserver: request timed out' })
    api.disconnect()
    await sleep(1_000)
    api.failures.clear()
  },
  bookmark: (api) => api.bookmark(),
}

/** Makes one fault after another, each kind in turn, until the signal. Then all of them are over. */
export async function injectFaults(
  api: FakeKubeApi,
  random: Random,
  everyMs: number,
  signal: AbortSignal,
): Promise<string[]> {
  const injected: string[] = []
  for (;;) {
    for (const [name, fault] of Object.entries(faults)) {
      await sleep(everyMs, undefined, { signal }).catch(() => undefined)
      if (signal.aborted) return injected
      injected.push(name)
      await fault(api, random)
    }
  }
}
