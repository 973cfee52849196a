import type {
  Counters,
  Flow,
  FlowEnd,
  Histogram,
  Measurement,
} from '../../../src/datapath/datapath.ts'
import { consequences } from '../../../src/datapath/selftest/policy.ts'
import type { PodEntry, RunningAgent } from '../../helpers/running-agent.ts'

/** From one pod to another: connections, bytes a second and direction on the fast path and on TCP. */
export interface Traffic {
  readonly from: number | undefined
  readonly to: number | undefined
  readonly connections: number
  readonly fast: number
  readonly tcp: number
  /** The reason of the connections that are not fast. */
  readonly reason?: string
}

const shop = ['frontend', 'cart', 'checkout', 'catalogue', 'stock', 'payment', 'shipping', 'search']

/** A shop of eight services; the pod at index N has the netns cookie N + 1. */
export const shopPods: readonly PodEntry[] = [
  ...shop.map((name, index) => pod('shop', `${name}-${suffix(index)}`, index)),
  pod('accounts', `login-${suffix(8)}`, 8),
  pod('accounts', `profile-${suffix(9)}`, 9),
  pod('observe', 'collector-0', 10),
  { ...pod('observe', 'dashboard-0', 11), enabled: false },
  { ...pod('batch', 'nightly-report', 12), enabled: false },
  { namespace: 'batch', name: 'ledger-0', netns: '/run/netns/14', enabled: true },
]

const mib = 1 << 20

export const shopTraffic: readonly Traffic[] = [
  ...[0, 1, 2, 3, 4, 5, 6, 7, 8].map((index) => ({
    from: index,
    to: index,
    connections: 24 - 2 * index,
    fast: (9 - index) * 1.6 * mib,
    tcp: (9 - index) * 0.03 * mib,
  })),
  { from: 0, to: 1, connections: 32, fast: 11.3 * mib, tcp: 0.2 * mib },
  { from: 0, to: 3, connections: 40, fast: 18.2 * mib, tcp: 0.1 * mib },
  { from: 0, to: 7, connections: 12, fast: 3.1 * mib, tcp: 0.1 * mib },
  { from: 0, to: 8, connections: 6, fast: 0.4 * mib, tcp: 0, reason: 'short' },
  { from: 1, to: 2, connections: 16, fast: 4.1 * mib, tcp: 0 },
  { from: 2, to: 5, connections: 8, fast: 1.2 * mib, tcp: 0 },
  { from: 2, to: 6, connections: 8, fast: 0.8 * mib, tcp: 0 },
  { from: 3, to: 4, connections: 20, fast: 6.4 * mib, tcp: 0 },
  { from: 7, to: 3, connections: 10, fast: 2.2 * mib, tcp: 0 },
  { from: 8, to: 9, connections: 4, fast: 0.2 * mib, tcp: 0 },
  { from: 4, to: 10, connections: 5, fast: 0, tcp: 2.6 * mib, reason: 'stream' },
  { from: 6, to: 10, connections: 3, fast: 0, tcp: 0.3 * mib, reason: 'stream' },
  { from: 5, to: undefined, connections: 7, fast: 0, tcp: 0.4 * mib, reason: 'remote-peer' },
  { from: undefined, to: 0, connections: 18, fast: 0, tcp: 1.9 * mib, reason: 'remote-peer' },
  { from: 9, to: 4, connections: 2, fast: 0, tcp: 0.01 * mib, reason: 'waitall' },
]

/** A histogram from counts: the Nth is for values of some 2^N us. */
function histogram(...ofPowers: readonly number[]): Histogram {
  const bounds = ofPowers.map((_, power) => 2 ** power / 1e6)
  const count = ofPowers.reduce((sum, values) => sum + values, 0)
  const sum = ofPowers.reduce(
    (total, values, power) => total + (values * 0.75 * 2 ** power) / 1e6,
    0,
  )
  return { bounds, counts: [...ofPowers, 0], count, sum }
}

const requests = (
  source: string,
  destination: string,
  path: Measurement['path'],
  requestSeconds: Histogram,
): Measurement => {
  const messageBytes = histogram(1)
  const readDelaySeconds = histogram(1)
  return { source, destination, path, messageBytes, requestSeconds, readDelaySeconds }
}

export const shopRequests: readonly Measurement[] = [
  requests('shop', 'shop', 'redirect', histogram(0, 0, 0, 0, 0, 900, 91_400, 30_200, 2100, 90, 3)),
  requests('shop', 'shop', 'tcp', histogram(0, 0, 0, 0, 0, 0, 310, 2950, 940, 120, 11)),
  requests('shop', 'accounts', 'redirect', histogram(0, 0, 0, 0, 0, 0, 0, 0, 0, 1200, 4100, 300)),
  requests('shop', 'unknown', 'tcp', histogram(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 120, 90, 4)),
]

const flaws: readonly string[] = ['splice', 'fionread-tcp', 'fionread-watch']

export const shopSelfTest: Readonly<Record<string, boolean>> = Object.fromEntries(
  consequences.map(([name]) => [name, !flaws.includes(name)]),
)

export function pod(namespace: string, name: string, index: number): PodEntry {
  return { namespace, name, netns: `/run/netns/${index + 1}`, mesh: 'istio', enabled: true }
}

function suffix(index: number): string {
  return ((index + 3) * 7_919_371).toString(36).slice(0, 5)
}

/** Has the fake data path carry the traffic. Its counters follow from the elapsed seconds. */
export function carry(
  { datapath }: RunningAgent,
  traffic: readonly Traffic[],
  secondsNow: () => number,
): void {
  datapath.flows = async function* flows() {
    const seconds = secondsNow()
    yield traffic.flatMap((hop, index) =>
      Array.from({ length: hop.connections }, (_, number) => flow(hop, index, number, seconds)),
    )
  }
  const fast = traffic.reduce((sum, hop) => sum + hop.fast, 0)
  const tcp = traffic.reduce((sum, hop) => sum + hop.tcp, 0)
  const reasons: Record<string, bigint> = { undrained: 1203n, stream: 8n, short: 411n }
  const counted = (): Counters => ({
    redirectedBytes: BigInt(Math.round(fast * secondsNow())),
    redirectedMessages: BigInt(Math.round((fast * secondsNow()) / 900)),
    tcpBytes: BigInt(Math.round(tcp * secondsNow())),
    tcpMessages: BigInt(Math.round((tcp * secondsNow()) / 900)),
    reasons,
  })
  const now = traffic.reduce((sum, { connections }) => sum + connections, 0)
  const engaged = traffic.reduce((sum, hop) => sum + (hop.fast > 0 ? hop.connections : 0), 0)
  const connections = {
    now,
    watched: now - engaged,
    joined: engaged,
    engaged,
    plain: now - engaged,
    mixed: 0,
  }
  datapath.survey = async () => ({ counters: counted(), connections, unreadBytes: 0n })
}

function flow(hop: Traffic, index: number, number: number, seconds: number): Flow {
  const { from, to, connections, fast, tcp, reason } = hop
  const share = (rate: number): bigint => BigInt(Math.round((rate * seconds) / connections / 2))
  const direction: Flow['clientToServer'] = {
    path: fast > 0 ? 'redirect' : 'tcp',
    ...(fast === 0 && { reason: reason ?? 'short' }),
    redirectedBytes: share(fast),
    tcpBytes: share(tcp),
    unreadBytes: 0,
  }
  return {
    identity: `${hex(index)}:${hex(number)}`,
    ageMs: Math.round(seconds * 1000),
    state: fast > 0 ? 'joined' : 'watched',
    ...(from !== undefined && { client: end(from, 32_768 + number, reason) }),
    ...(to !== undefined && { server: end(to, 8080, reason) }),
    clientToServer: direction,
    serverToClient: direction,
  }
}

function end(index: number, port: number, reason: string | undefined): FlowEnd {
  const isProven = reason !== 'waitall'
  return {
    netnsCookie: BigInt(index + 1),
    address: `10.0.${index >> 8}.${index & 255}:${port}`,
    readerPid: 4_000_000 + index,
    readerComm: 'envoy',
    proven: isProven,
    turns: 0,
    ackedBytes: 0n,
    ...(!isProven && { unprovenReason: 'waitall' }),
  }
}

const hex = (value: number): string => value.toString(16).padStart(8, '0')
