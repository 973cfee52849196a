import type { FlowEndView, FlowView, PodView, ReaderView, StatusView } from '../../api/views.ts'
import { wordsOfGuard } from './words/guard.ts'
import { plain } from './plain-text.ts'
import { formatBytes } from './print.ts'
import { wordsOfPod, wordsOfTraffic, type Words } from './words/reason.ts'

/** The agent's data about one pod. */
export interface Facts {
  readonly status: StatusView
  readonly pod: PodView
  /** All pods of the agent. */
  readonly pods: readonly PodView[]
  /** The readers of this pod. */
  readonly readers: readonly ReaderView[]
  readonly flows: readonly FlowView[]
}

/** The explanation in words, with the next step. */
export interface Explanation {
  readonly pod: string
  readonly enrolled: boolean
  /** Why it is not enrolled. */
  readonly reason?: string
  /** Live connections. `fast`: both directions are redirected. `slow`: the others by reason. */
  readonly connections: { readonly fast: number; readonly slow: Readonly<Record<string, number>> }
  readonly sentences: readonly string[]
}

/** The number of example connections for each reason. */
const examples = 3

/** Explains a pod. Pure. */
export function explain({ status, pod, pods, readers, flows }: Facts): Explanation {
  const name = `${pod.namespace}/${pod.name}`
  const { fast, slow } = sort(flows.filter((flow) => isOf(flow, name)))
  const sentences = [...agentSentences(status)]
  if (!pod.enrolled) {
    const { means, next } = wordsOfPod(pod.reason ?? 'unknown')
    sentences.push(`${name} is not accelerated: ${means}.`, ...problemOf(pod), ...stepOf(next, pod))
  } else {
    sentences.push(
      `${name} is enrolled. ${sumUp(fast, slow, pod)}`,
      ...proxyOf(pod),
      ...problemOf(pod),
      ...(status.heldPods.includes(name)
        ? [
            '  A capture holds it on TCP now: `meshaccel capture`. Once that ends, its connections may join again.',
          ]
        : []),
    )
    sentences.push(...slowSentences(slow, pods, pod))
    if (pod.heldBy === 'guard') sentences.push(...guardSentences(status, pod))
  }
  for (const { program, quarantined, evidence } of readers) {
    if (!quarantined) continue
    const { means } = wordsOfTraffic(evidence ?? 'unknown')
    sentences.push(
      `${program} is quarantined, because of one of its connections: ${means}.`,
      `  Next: once it is fixed, \`meshaccel readers forgive ${name} ${shellWord(program)}\`.`,
    )
  }
  return {
    pod: name,
    enrolled: pod.enrolled,
    ...(pod.reason === undefined ? {} : { reason: pod.reason }),
    connections: { fast, slow: countsOf(slow) },
    sentences: sentences.map(plain),
  }
}

/** The connections on TCP, by reason. `pod` is the one that a user would act upon. */
export function slowSentences(slow: SlowFlows, pods: readonly PodView[], pod: PodView): string[] {
  return slow.flatMap(([reason, held]) => {
    const { means, next } = wordsOfTraffic(reason)
    const such = [...new Set(held.map((flow) => whoCallsWhom(flow, pods)))].slice(0, examples)
    return [
      `${count(held.length, 'connection')} on TCP (${reason}): ${means}.`,
      `  Such as: ${such.join('; ')}.`,
      ...stepOf(next, pod),
    ]
  })
}

/** The connections that are not fast, by reason. The most frequent reason comes first. */
export type SlowFlows = readonly (readonly [reason: string, flows: readonly FlowView[]])[]

export const countsOf = (slow: SlowFlows): Record<string, number> =>
  Object.fromEntries(slow.map(([reason, held]) => [reason, held.length]))

/** Quotes a text as one word for a shell: a pod may give its program's path any characters. */
const shellWord = (text: string): string =>
  /^[\w/.@:+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`

/** The problems that keep all pods off the fast path. */
export function agentSentences({
  state,
  refusedBecause,
  podsFileError,
  source,
}: StatusView): string[] {
  if (state === 'refused') {
    return [
      `Nothing is accelerated on this node, because the self-test refuses its kernel: ${refusedBecause ?? 'it failed'}.`,
      '  Next: `meshaccel doctor` shows every probe.',
    ]
  }
  if (state === 'draining' || state === 'disabled') {
    return [
      'Redirecting is switched off on this node: somebody has drained it.',
      '  Next: `meshaccel resume`.',
    ]
  }
  if (podsFileError !== undefined) {
    return [`The pods file is wrong, so its last good content applies: ${podsFileError}`]
  }
  if (source.error !== undefined) {
    return [
      `The agent cannot follow ${source.name}, so the last that it knows applies: ${source.error}`,
    ]
  }
  return []
}

/** The guard's limits are per namespace and pod: the words name all that hold pods of this namespace. */
function guardSentences({ guarded }: StatusView, { namespace }: PodView): string[] {
  return guarded
    .filter((one) => one.namespace === namespace && one.heldSince !== undefined)
    .flatMap((one) => [
      `  The guard holds it on TCP: ${wordsOfGuard(one)}.`,
      `  Next: \`meshaccel trial ${namespace}\` measures it again. Another limit, or \`kubectl annotate --overwrite ` +
        `namespace ${namespace} meshaccel.io/guard=off\` (in a pods file \`guard: off\`), lifts the hold.`,
    ])
}

const isOf = ({ client, server }: FlowView, pod: string): boolean =>
  client?.pod === pod || server?.pod === pod

/** Sorts the connections: each is fast or has one reason. The most frequent reason comes first. */
export function sort(flows: readonly FlowView[]): {
  readonly fast: number
  readonly slow: SlowFlows
} {
  let fast = 0
  const slow = new Map<string, FlowView[]>()
  for (const flow of flows) {
    const held = flow.directions.find(({ path }) => path !== 'redirect')
    if (held === undefined) {
      fast += 1
      continue
    }
    const reason = held.reason ?? 'short'
    const others = slow.get(reason)
    if (others) others.push(flow)
    else slow.set(reason, [flow])
  }
  return { fast, slow: [...slow].toSorted(([, one], [, other]) => other.length - one.length) }
}

function sumUp(fast: number, slow: SlowFlows, pod: PodView): string {
  const all = slow.reduce((sum, [, held]) => sum + held.length, fast)
  if (all === 0) return 'It has no connection now.'
  return (
    `Of its ${count(all, 'connection')}, ${fast} ${fast === 1 ? 'is' : 'are'} fast; ` +
    `${formatBytes(pod.redirectedBytes)} went that way.`
  )
}

/**
 * For example `shop/cart-0 > shop/db 10.0.0.9:5432`. An end that is not enrolled is shown by its address and, if it is
 * known, its pod.
 */
function whoCallsWhom({ client, server }: FlowView, pods: readonly PodView[]): string {
  const elsewhere = (of: FlowEndView | undefined): string => {
    const address = of?.remote
    if (address === undefined) return 'somewhere else'
    const host = hostOf(address)
    const pod = pods.find(({ ips }) => ips.includes(host))
    if (pod === undefined) return address
    const why = pod.enrolled ? '' : `, not enrolled: ${pod.reason ?? 'unknown'}`
    return `${address} (${pod.namespace}/${pod.name}${why})`
  }
  const caller = client ? client.pod || client.address : elsewhere(server)
  const called = server ? `${server.pod} ${server.address}`.trim() : elsewhere(client)
  return `${caller} > ${called}`
}

/** The host part of `10.0.0.1:80` or `[fd00::1]:80`. */
export function hostOf(address: string): string {
  return address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
}

export const count = (number: number, noun: string): string =>
  `${number} ${noun}${number === 1 ? '' : 's'}`

const proxyOf = ({ mesh, proxy }: PodView): string[] =>
  proxy === undefined ? [] : [`  Its proxy (${mesh ?? 'unknown mesh'}): ${proxy}.`]

export const problemOf = ({ problem }: PodView): string[] =>
  problem === undefined ? [] : [`  Mind: ${problem}.`]

/** The next step, with the pod's names filled in. */
export function stepOf(next: Words['next'], { namespace, name }: PodView): string[] {
  if (next === undefined) return []
  return [`  Next: ${next.replaceAll('NAMESPACE', namespace).replaceAll('NAME', name)}`]
}
