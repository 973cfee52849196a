import { Counter, Gauge, Registry } from 'prom-client'
import type { Page } from './http.ts'
import type { Control, StatusView } from './views.ts'

const policies = ['full', 'strict', 'proxies-only', 'refused']

/** The agent's state for Prometheus, read when it is asked for. Labels are few: reasons and states, no pods. */
export function metricsPage(control: Pick<Control, 'status' | 'flows'>): () => Promise<Page> {
  const registry = new Registry()
  const metrics = { registers: [registry] }
  const counter = <L extends string>(name: string, help: string, ...labelNames: L[]): Counter<L> =>
    new Counter({ name: `meshaccel_${name}`, help, labelNames, ...metrics })
  const gauge = <L extends string>(name: string, help: string, ...labelNames: L[]): Gauge<L> =>
    new Gauge({ name: `meshaccel_${name}`, help, labelNames, ...metrics })

  const redirectedBytes = counter('redirected_bytes_total', 'Bytes that skipped the stack.')
  const tcpBytes = counter('tcp_bytes_total', 'Bytes that enrolled pods received by TCP.')
  const messages = counter('messages_total', 'Sends of members, by the path they took.', 'path')
  const fallbacks = counter(
    'fallbacks_total',
    'Sends, connections and ends that did not take the fast path, by reason.',
    'reason',
  )
  const connections = gauge('connections', 'Open connections of enrolled pods.', 'state')
  const enrolledPods = gauge('enrolled_pods', 'Pods whose connections are watched.')
  const unreadBytes = gauge('unread_bytes', 'Redirected bytes that have not been read.')
  const policy = gauge('policy', '1 for the policy that the self-test allows.', 'policy')
  const synced = gauge('source_synced', '1 once all pods of the source were acted upon.', 'source')
  const build = gauge('build_info', 'Always 1.', 'version', 'kernel')

  const set = (status: StatusView): void => {
    const { totals, pods } = status
    for (const metric of [redirectedBytes, tcpBytes, messages, fallbacks]) metric.reset()
    redirectedBytes.inc(Number(totals.redirectedBytes))
    tcpBytes.inc(Number(totals.tcpBytes))
    messages.inc({ path: 'redirect' }, Number(totals.redirectedMessages))
    messages.inc({ path: 'tcp' }, Number(totals.tcpMessages))
    for (const [reason, count] of Object.entries(status.reasons)) {
      fallbacks.inc({ reason }, Number(count))
    }
    const { now, ...states } = status.connections
    for (const [state, count] of Object.entries({ all: now, ...states })) {
      connections.set({ state }, count)
    }
    enrolledPods.set(pods.enrolled)
    for (const name of policies) policy.set({ policy: name }, name === status.policy ? 1 : 0)
    synced.set({ source: status.source.name }, status.source.synced ? 1 : 0)
    build.set({ version: status.version, kernel: status.kernel }, 1)
  }

  return async () => {
    set(control.status())
    const unread = [...control.flows({})].flatMap(({ directions }) => directions)
    unreadBytes.set(unread.reduce((sum, direction) => sum + Number(direction.unreadBytes), 0))
    return { status: 200, contentType: registry.contentType, body: await registry.metrics() }
  }
}
