import { test } from 'tap'
import { Guard, type GuardOptions } from '../../../../src/agent/guard/guard.ts'
import type { TrialRunningView } from '../../../../src/api/views.ts'
import { createLog } from '../../../../src/lib/log.ts'
import { seededRandom } from '../../../../src/lib/seeded-random.ts'
import type { ObservedPod } from '../../../../src/pods/observed-pod.ts'
import type { SeenPod } from '../../../../src/reconcile/desired.ts'
import { desiredState } from '../../../../src/reconcile/desired.ts'
import { everything } from '../../../../src/reconcile/on-tcp.ts'
import type { Override } from '../../../../src/reconcile/reconciler.ts'
import { FakeDatapath } from '../../../helpers/fake-datapath.ts'

const pod = (namespace: string, name: string, more: Partial<ObservedPod> = {}): ObservedPod => ({
  namespace,
  name,
  mesh: 'istio',
  enabled: true,
  ...more,
})

const bounds = Array.from({ length: 400 }, (_, at) => 0.001 * 1.02 ** at)

/** A node whose time goes on by itself, and whose requests are as slow as a test says. */
class Node {
  readonly datapath = new FakeDatapath()
  readonly told: string[] = []
  /** The waits and switches of the guard, in order. */
  readonly steps: string[] = []
  pods: ObservedPod[]
  seen: readonly SeenPod[] = []
  running: TrialRunningView | undefined
  /** How much slower acceleration makes requests, and how many there are in a window. */
  slowdown = 1
  requests = 500
  readonly #overrides = new Map<object, Override>()
  readonly #onTcp = new Set<bigint>()
  readonly #counted = new Map<bigint, number[]>()
  #minutes = 0
  #paused: (() => void) | undefined
  #arrived: (() => void) | undefined
  readonly guard: Guard

  constructor(pods: ObservedPod[], changed: Partial<GuardOptions> = {}) {
    this.pods = pods
    this.datapath.trialCounts = () =>
      [...this.#counted].map(([netnsCookie, counts]) => ({
        netnsCookie,
        isProxy: false,
        redirectedBytes: 0n,
        tcpBytes: 0n,
        requestSeconds: { bounds, counts: [...counts], count: 0 },
      }))
    const node = (): Node => this
    this.guard = new Guard({
      datapath: this.datapath,
      reconciler: {
        get seen() {
          return node().seen
        },
        override: async (owner, change) => {
          if (change) this.#overrides.set(owner, change)
          else this.#overrides.delete(owner)
          this.reconcile()
        },
      },
      observer: {
        countTrial: (cookies) => {
          this.steps.push(`count ${cookies.join(' ')}`)
          this.#counted.clear()
          for (const cookie of cookies) this.#counted.set(cookie, bounds.map(() => 0).concat(0))
        },
      },
      percent: 0,
      trial: () => this.running,
      tell: (namespace, reason, message) =>
        void this.told.push(`${namespace} ${reason} ${message}`),
      log: createLog('silent'),
      random: seededRandom(1),
      wait: (ms, signal) => this.#wait(ms, signal),
      ...changed,
    })
    this.reconcile()
  }

  reconcile(): void {
    let { pods } = this
    for (const change of this.#overrides.values()) pods = pods.map(change)
    const cookies = new Map(
      this.pods.map(({ namespace, name }, at) => [
        `${namespace}/${name}`,
        { netnsCookie: BigInt(at + 1), netnsPath: `/run/netns/${at + 1}`, ips: [] },
      ]),
    )
    const options = { defaultEnabled: false, refused: false }
    const { seen, enrolments } = desiredState(pods, cookies, options)
    this.seen = seen
    this.#onTcp.clear()
    for (const [cookie, { exclusions }] of enrolments) {
      if (exclusions === everything) this.#onTcp.add(cookie)
    }
    this.guard.follow(seen)
  }

  /** The names of the pods that are on TCP now. */
  get onTcp(): string[] {
    return this.pods.flatMap(({ name }, at) => (this.#onTcp.has(BigInt(at + 1)) ? [name] : []))
  }

  /** Lets so many minutes pass. Each ends at the pause between two pairs. */
  async minutes(count: number): Promise<void> {
    const until = this.#minutes + count
    while (this.#minutes < until) {
      await new Promise<void>((resolve) => {
        this.#arrived = resolve
        this.#paused?.()
      })
    }
  }

  /** Called in each window, after its settling time. */
  inWindow: () => Promise<void> | void = () => undefined

  async #wait(ms: number, signal: AbortSignal): Promise<void> {
    this.steps.push(`${this.onTcp.join(' ') || '-'} ${ms}`)
    if (ms === 7_500) {
      await this.inWindow()
      for (const [cookie, counts] of this.#counted) {
        // Windows differ by some percent, as on a real machine.
        const ms100 = 100 + 4 * ((this.steps.length * 7) % 3)
        const slow = ms100 * (this.#onTcp.has(cookie) ? 1 : this.slowdown)
        const bucket = bounds.findIndex((bound) => bound * 1000 >= slow)
        counts[bucket] = (counts[bucket] ?? 0) + this.requests
      }
    }
    if (ms !== 40_000 || signal.aborted) return
    this.#minutes += 1
    await new Promise<void>((resolve) => {
      const end = (): void => {
        signal.removeEventListener('abort', end)
        resolve()
      }
      this.#paused = end
      signal.addEventListener('abort', end)
      this.#arrived?.()
    })
  }
}

const shop = (guard = 10): ObservedPod[] => [
  pod('shop', 'cart', { guard }),
  pod('shop', 'web', { guard }),
]

void test('a pair of windows each fifth minute, of the guarded pods alone', async (t) => {
  const node = new Node([...shop(), pod('shop', 'own', { guard: 0 }), pod('bank', 'till')])
  await node.minutes(10)
  const windows = node.steps.filter((step) => step.endsWith('7500'))
  t.equal(windows.length, 4)
  t.equal(windows.filter((step) => step.startsWith('cart web ')).length, 2)
  t.equal(windows.filter((step) => step.startsWith('- ')).length, 2)
  t.strictSame(
    node.steps.filter((step) => step.startsWith('count ')),
    ['count 1 2', 'count ', 'count 1 2', 'count '],
  )
  t.strictSame(node.onTcp, [])
  t.match(node.guard.guarded, [{ namespace: 'shop', limitPercent: 10, pairs: 2, p99Ratio: Number }])
  await node.guard.close()
})

void test('a slowdown of 20 % trips: the namespace is on TCP, and users are told', async (t) => {
  const node = new Node([...shop(), pod('bank', 'till')])
  node.slowdown = 1.2
  await node.minutes(5)
  t.strictSame([node.onTcp, node.told], [[], []])
  await node.minutes(60)
  t.strictSame(node.onTcp, ['cart', 'web'])
  t.equal(node.told.length, 1)
  t.match(
    node.told[0],
    /^shop GuardTripped since 2.* its pods on this node are on TCP: .* allows 10 % more; /,
  )
  const [held] = node.guard.guarded
  t.match(held, { namespace: 'shop', limitPercent: 10, heldSince: /^2/ })
  t.ok((held?.p99Ratio ?? 0) > 1.1 && (held?.p99AtLeast ?? 0) > 1.1)
  t.ok((held?.pairs ?? 99) <= 20, `${held?.pairs} pairs`)
  t.ok(node.guard.holds({ namespace: 'shop', guard: 10 }))
  t.notOk(node.guard.holds({ namespace: 'bank' }))
  const { length } = node.steps.filter((step) => step.startsWith('count'))
  await node.minutes(20)
  t.equal(node.steps.filter((step) => step.startsWith('count')).length, length, 'no pair any more')

  node.running = { namespace: 'shop', on: true }
  node.reconcile()
  t.strictSame(node.onTcp, [], "a user's trial decides about its namespace while it runs")
  node.running = undefined
  node.reconcile()
  t.strictSame(node.onTcp, ['cart', 'web'])

  const { pods } = node
  node.pods = []
  node.reconcile()
  node.pods = pods
  node.reconcile()
  t.strictSame(node.onTcp, ['cart', 'web'], 'new pods with the same limit are held, too')

  node.pods = [...shop(0), pod('bank', 'till')]
  node.reconcile()
  t.strictSame(node.onTcp, [])
  node.pods = pods
  node.reconcile()
  t.strictSame(node.onTcp, [], 'the change has lifted the hold')
  t.match(node.guard.guarded, [{ pairs: 0 }])
  await node.guard.close()
})

void test('it keeps quiet where acceleration slows by less than the limit', async (t) => {
  const node = new Node([pod('shop', 'cart')], { percent: 30 })
  node.slowdown = 1.15
  await node.minutes(500)
  t.strictSame([node.onTcp, node.told], [[], []])
  t.match(node.guard.guarded, [{ limitPercent: 30, pairs: 100 }])
  await node.guard.close()
})

void test('too little traffic decides nothing', async (t) => {
  const node = new Node(shop())
  node.slowdown = 3
  node.requests = 49
  await node.minutes(200)
  t.strictSame(node.guard.guarded, [{ namespace: 'shop', limitPercent: 10, pairs: 0 }])
  await node.guard.close()
})

void test('many namespaces share the minutes', async (t) => {
  const node = new Node(
    ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'].map((namespace) => pod(namespace, 'one')),
    { percent: 10 },
  )
  await node.minutes(40)
  t.strictSame(
    node.guard.guarded.map(({ pairs }) => pairs),
    Array.from({ length: 10 }, () => 4),
  )
  await node.guard.close()
})

async function* events(node: Node, seen: string[][]): AsyncGenerator<number> {
  for (let event = 1; event <= 3; event += 1) {
    seen.push(node.onTcp)
    yield event
  }
}

void test('a trial or a capture ends a pair, and none begins during it', async (t) => {
  const node = new Node(shop())
  const seen: string[][] = []
  let other: AsyncGenerator<number> | undefined
  node.inWindow = () => {
    other ??= node.guard.aside(events(node, seen))
    void other.next()
  }
  await node.minutes(1)
  t.strictSame(seen, [[]], 'everything was put back before')
  t.match(node.guard.guarded, [{ pairs: 0 }], 'the pair does not count')
  node.inWindow = () => undefined
  const before = node.steps.length
  await node.minutes(20)
  t.notOk(node.steps.slice(before).some((step) => step.startsWith('count')))
  await other?.return(undefined)
  await node.minutes(2)
  t.match(node.guard.guarded, [{ pairs: 1 }])
  await node.guard.close()
})

void test('nothing begins while the node is drained, and nothing remains at the end', async (t) => {
  const node = new Node(shop())
  node.datapath.redirecting = false
  await node.minutes(10)
  t.match(node.guard.guarded, [{ pairs: 0 }])
  node.datapath.redirecting = true
  await new Promise<void>((resolve) => {
    node.inWindow = () => void node.guard.close().then(resolve)
    void node.minutes(1)
  })
  t.strictSame(node.onTcp, [])
  t.equal(
    node.steps.findLast((step) => step.startsWith('count')),
    'count ',
  )
})

void test('a kernel that refuses to measure is asked again much later', async (t) => {
  let asked = 0
  const node = new Node(shop(), {
    observer: {
      countTrial: (cookies) => {
        if (cookies.length === 0) return
        asked += 1
        throw new Error('no such tracepoint')
      },
    },
  })
  await node.minutes(50)
  t.equal(asked, 1)
  t.strictSame(node.onTcp, [])
  await node.guard.close()
})

void test('without a limit there is no guard', async (t) => {
  const node = new Node([pod('shop', 'cart'), pod('shop', 'off', { guard: 0 })])
  t.strictSame([node.guard.guarded, node.steps], [[], []])
  await node.guard.close()
})
