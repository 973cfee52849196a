import { test } from 'tap'
import { Holds, type HoldsOptions } from '../../../src/agent/holds.ts'
import type { HoldEventView } from '../../../src/api/views.ts'
import type { Flow, PodNetns } from '../../../src/datapath/datapath.ts'
import { createLog } from '../../../src/lib/log.ts'
import type { ObservedPod } from '../../../src/pods/observed-pod.ts'
import { desiredState, type NetnsResolution, type SeenPod } from '../../../src/reconcile/desired.ts'
import { everything } from '../../../src/reconcile/on-tcp.ts'
import type { Override } from '../../../src/reconcile/reconciler.ts'

const pod: ObservedPod = { namespace: 'shop', name: 'cart', mesh: 'istio', enabled: true }
const found = { netnsCookie: 7n, netnsPath: '/run/netns/7', ips: [] }

function flow(state: Flow['state'], unreadBytes = 0, netnsCookie = 7n): Flow {
  const direction = { path: 'tcp', redirectedBytes: 0n, tcpBytes: 0n, unreadBytes } as const
  const end = { readerPid: 5, readerComm: 'app', proven: true, turns: 0, ackedBytes: 0n }
  return {
    identity: '1:2',
    ageMs: 1,
    state,
    client: { ...end, netnsCookie: 8n, address: '10.0.0.1:4000' },
    server: { ...end, netnsCookie, address: '10.0.0.2:80' },
    clientToServer: direction,
    serverToClient: { ...direction, unreadBytes: 0 },
  }
}

/** A reconciler of one pod, and a data path with a flow table for each look. */
class Around {
  readonly told: string[] = []
  readonly waits: number[] = []
  looks: Flow[][] = []
  pods: ObservedPod[] = [pod]
  netns: NetnsResolution | undefined = found
  /** The maps do not follow. */
  isStuck = false
  onWait: (waits: number) => void = () => undefined
  readonly overrides = new Map<object, Override>()
  applied: Map<bigint, PodNetns> = new Map()
  seen: SeenPod[] = []
  readonly holds: Holds

  constructor(changed: Partial<HoldsOptions> = {}) {
    this.reconcile()
    const around = (): Around => this
    this.holds = new Holds({
      datapath: {
        policy: 'full',
        enrolled: () => new Set(this.applied.keys()),
        flows: async function* () {
          yield around().looks.shift() ?? []
        },
      },
      reconciler: {
        get seen() {
          return around().seen
        },
        get applied() {
          return around().applied
        },
        netnsOf: () => this.netns,
        override: async (owner, change) => {
          if (change) this.overrides.set(owner, change)
          else this.overrides.delete(owner)
          this.reconcile()
        },
      },
      trial: () => undefined,
      tell: (reason) => void this.told.push(reason),
      log: createLog('silent'),
      wait: async (ms) => {
        this.waits.push(ms)
        this.onWait(this.waits.length)
      },
      ...changed,
    })
  }

  reconcile(): void {
    let { pods } = this
    for (const change of this.overrides.values()) pods = pods.map(change)
    const options = { defaultEnabled: false, refused: false }
    const { seen, enrolments } = desiredState(pods, new Map([['shop/cart', found]]), options)
    this.seen = [...seen]
    if (!this.isStuck) this.applied = new Map(enrolments)
  }

  get onTcp(): boolean {
    return this.applied.get(7n)?.exclusions === everything
  }
}

const request = { pod: 'shop/cart' }

async function next(events: AsyncIterator<HoldEventView>): Promise<HoldEventView | undefined> {
  const { value, done } = await events.next()
  return done ? undefined : value
}

void test('a hold waits until no connection of the pod is a member', async (t) => {
  const around = new Around()
  around.looks = [
    [flow('joined', 9), flow('joined', 9, 9n), flow('watched')],
    [flow('leaving'), flow('joining')],
    [flow('watched'), flow('joined', 9, 9n)],
  ]
  const end = new AbortController()
  const events = around.holds.run(request, end.signal)
  t.strictSame(await next(events), {
    waiting: {
      connections: 1,
      readers:
        'app (pid 5) of shop/cart has not read 9 bytes of the TCP connection from 10.0.0.1:4000 to 10.0.0.2:80',
    },
  })
  t.ok(around.onTcp)
  t.strictSame(around.holds.pods, ['shop/cart'])
  t.strictSame(await next(events), { waiting: { connections: 2, readers: '' } })
  t.strictSame(await next(events), { held: { netnsPath: '/run/netns/7', netnsCookie: 7n } })
  around.onWait = () => end.abort()
  t.equal(await next(events), undefined)
  t.notOk(around.onTcp, 'everything is as before')
  t.strictSame(around.holds.pods, [])
  t.strictSame(around.told, ['CaptureRuns'])
})

void test('it waits for the maps, and ends when its client goes', async (t) => {
  const around = new Around()
  around.isStuck = true
  const events = around.holds.run(request, new AbortController().signal)
  for (let looks = 0; looks < 3; looks += 1) {
    t.strictSame(await next(events), { waiting: { connections: 0, readers: '' } })
  }
  around.isStuck = false
  around.reconcile()
  t.match(await next(events), { held: { netnsCookie: 7n } })
  await events.return(undefined)
  t.notOk(around.onTcp)
})

void test('two clients may hold one pod: it goes back with the last', async (t) => {
  const around = new Around()
  const { signal } = new AbortController()
  const [first, second] = [around.holds.run(request, signal), around.holds.run(request, signal)]
  await Promise.all([next(first), next(second)])
  await first.return(undefined)
  t.ok(around.onTcp)
  t.strictSame(around.holds.pods, ['shop/cart'])
  await second.return(undefined)
  t.notOk(around.onTcp)
})

void test('a pod that is not enrolled is held, too', async (t) => {
  const around = new Around()
  around.pods = [{ ...pod, enabled: false }]
  around.reconcile()
  const events = around.holds.run(request, new AbortController().signal)
  t.match(await next(events), { held: { netnsPath: '/run/netns/7' } })
  around.pods = [pod]
  around.reconcile()
  t.ok(around.onTcp, 'and it stays on TCP if somebody enables it')
  await events.return(undefined)
})

void test('the hold ends with the pod, also if another one gets its name', async (t) => {
  const around = new Around()
  const events = around.holds.run(request, new AbortController().signal)
  await next(events)
  around.onWait = () => {
    around.seen = around.seen.map((one) => ({ ...one, netnsCookie: 8n }))
  }
  await t.rejects(next(events), { code: 'POD_GONE' })
  t.equal(around.overrides.size, 0)
})

void test('what cannot be held is an error that says what to do', async (t) => {
  const { signal } = new AbortController()
  const fails = async (
    changed: Partial<HoldsOptions>,
    seen: SeenPod[],
    error: { code: string; message?: RegExp },
    netns: NetnsResolution | undefined = found,
  ): Promise<void> => {
    const around = new Around(changed)
    Object.assign(around, { seen, netns })
    await t.rejects(next(around.holds.run(request, signal)), error)
    t.equal(around.overrides.size, 0)
  }
  const { seen } = new Around()
  await fails({}, [], { code: 'NO_SUCH_POD' })
  await fails({ trial: () => ({ namespace: 'shop', on: true }) }, seen, { code: 'TRIAL_RUNS' })
  const without = (reason: NonNullable<SeenPod['reason']>): SeenPod[] =>
    seen.map((one) => ({ ...one, enrolled: false, reason }))
  await fails({}, without('duplicate-netns'), { code: 'NO_NETNS', message: /another pod/ })
  for (const [reason, message] of [
    ['host-network', /node's own/],
    ['netns-gone', /netns-gone/],
  ] as const) {
    await fails({}, without(reason), { code: 'NO_NETNS', message }, { reason })
  }
})
