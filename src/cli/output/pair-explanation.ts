import type { FlowEndView, FlowView, PodView, StatusView } from '../../api/views.ts'
import {
  agentSentences,
  count,
  countsOf,
  hostOf,
  problemOf,
  slowSentences,
  sort,
  stepOf,
} from './explanation.ts'
import { plain } from './plain-text.ts'
import { formatBytes } from './print.ts'
import { wordsOfPod } from './words/reason.ts'

/** The data about two pods. */
export interface PairFacts {
  readonly status: StatusView
  readonly pod: PodView
  readonly to: OtherPod
  /** All pods of the agent. */
  readonly pods: readonly PodView[]
  /** The connections of `pod`, or those of `to` if only that one is enrolled. */
  readonly flows: readonly FlowView[]
}

/** The second pod. It may be on another node. */
export interface OtherPod {
  /** `namespace/name`. */
  readonly key: string
  /** Absent: the agent does not see it. */
  readonly view?: PodView | undefined
  /** The addresses and the node, as the API server tells them. */
  readonly ips?: readonly string[]
  readonly node?: string
  /** A pod with a similar name, if neither the agent nor the API server knows this one. */
  readonly guess?: string
}

/** The explanation in words, with the next step. */
export interface PairExplanation {
  readonly pod: string
  readonly to: string
  /** Live connections between the two. `fast`: both directions are redirected. `slow`: the others by reason. */
  readonly connections: { readonly fast: number; readonly slow: Readonly<Record<string, number>> }
  readonly sentences: readonly string[]
}

/** Explains the connections between two pods, in either direction. Pure. */
export function explainPair({ status, pod, to, pods, flows }: PairFacts): PairExplanation {
  const name = keyOf(pod)
  const between = flows.filter((flow) => isBetween(flow, pod, to))
  const { fast, slow } = sort(between)
  const outside = [...notEnrolled(pod), ...otherSentences(to, name)]
  const sentences = [...agentSentences(status), ...outside]
  if (between.length > 0) {
    const bytes = between
      .flatMap(({ directions }) => directions)
      .reduce((sum, { redirectedBytes }) => sum + redirectedBytes, 0n)
    sentences.push(
      `Of ${count(between.length, 'connection')} between ${name} and ${to.key}, ${fast} ` +
        `${fast === 1 ? 'is' : 'are'} fast; ${formatBytes(bytes)} went that way.`,
      ...slowSentences(slow, pods, pod.enrolled ? pod : (to.view ?? pod)),
    )
  } else {
    sentences.push(...whyNone(pod, to, flows))
  }
  return {
    pod: name,
    to: to.key,
    connections: { fast, slow: countsOf(slow) },
    sentences: sentences.map(plain),
  }
}

const keyOf = ({ namespace, name }: PodView): string => `${namespace}/${name}`

function notEnrolled(pod: PodView): string[] {
  if (pod.enrolled) return []
  const { means, next } = wordsOfPod(pod.reason ?? 'unknown')
  return [`${keyOf(pod)} is not accelerated: ${means}.`, ...problemOf(pod), ...stepOf(next, pod)]
}

function otherSentences({ key, view, node, guess }: OtherPod, name: string): string[] {
  if (view) return key === name ? [] : notEnrolled(view)
  const where =
    node === undefined
      ? `The agent of this node does not see ${key}: it is on another node, or it is gone.`
      : `${key} is on node ${node}, and ${name} is on this one.`
  return [
    `${where} Connections between nodes stay on TCP.`,
    ...(guess === undefined ? [] : [`  Did you mean ${guess}?`]),
    '  Next: a pod affinity brings the two to one node. `meshaccel advise` prints one for services that talk much.',
  ]
}

/** Whether the two ends are in these two pods. An end that is not enrolled is known by its address only. */
function isBetween({ client, server }: FlowView, pod: PodView, to: OtherPod): boolean {
  const mine = { key: keyOf(pod), ips: pod.ips }
  const other = { key: to.key, ips: to.view?.ips ?? to.ips ?? [] }
  const isPair = (one: typeof mine, another: typeof mine): boolean =>
    isEndOf(client, server, one) && isEndOf(server, client, another)
  return isPair(mine, other) || isPair(other, mine)
}

function isEndOf(
  end: FlowEndView | undefined,
  peer: FlowEndView | undefined,
  { key, ips }: { readonly key: string; readonly ips: readonly string[] },
): boolean {
  if (end?.pod) return end.pod === key
  // An end of a pod that is not enrolled any more has its own address still.
  return isAt(end ? end.address : peer?.remote, ips)
}

const isAt = (address: string | undefined, ips: readonly string[]): boolean =>
  address !== undefined && ips.includes(hostOf(address))

/** Why the agent knows no connection between the two. */
function whyNone(pod: PodView, to: OtherPod, flows: readonly FlowView[]): string[] {
  const name = keyOf(pod)
  if (!pod.enrolled && !to.view?.enrolled) {
    return [
      'The agent watches connections of enrolled pods only, so it knows none between the two.',
    ]
  }
  if (!to.view && to.ips === undefined) {
    return [`Which of the connections of ${name} lead there is not known.`]
  }
  const others = flows.length
  const [mine, other] = [pod.mesh, to.view?.mesh]
  const known = pod.enrolled ? name : to.key
  return [
    `There is no connection between ${name} and ${to.key} now.`,
    others === 0
      ? `  The agent knows no other connection of ${known} either. Look again while they talk.`
      : `  ${count(others, 'connection')} of ${known} ${others === 1 ? 'leads' : 'lead'} elsewhere: a gateway or ` +
        `another proxy may be in between. \`meshaccel flows --pod ${known}\` lists them.`,
    ...(mine === undefined || other === undefined || mine === other
      ? []
      : [`  Their meshes differ (${mine}, ${other}). That alone keeps no connection on TCP.`]),
  ]
}
