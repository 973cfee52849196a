import type { FlowView, PodView, ReaderView, StatusView } from '../api/views.ts'
import { formatBytes } from './print.ts'
import { wordsOfPod, wordsOfTraffic, type Words } from './reason-words.ts'

/** What the agent tells of one pod. */
export interface Facts {
  readonly status: StatusView
  readonly pod: PodView
  /** Of this pod. */
  readonly readers: readonly ReaderView[]
  /** Of all pods. */
  readonly flows: readonly FlowView[]
}

/** In words, with the next step to take. */
export interface Explanation {
  readonly pod: string
  readonly enrolled: boolean
  /** Why not. */
  readonly reason?: string
  /** Live ones: with both directions redirected, and the others by reason. */
  readonly connections: { readonly fast: number; readonly slow: Readonly<Record<string, number>> }
  readonly sentences: readonly string[]
}

/** Explains a pod. Pure. */
export function explain({ status, pod, readers, flows }: Facts): Explanation {
  const name = `${pod.namespace}/${pod.name}`
  const { fast, slow } = sort(flows.filter((flow) => isOf(flow, name)))
  const sentences = [...agentSentences(status)]
  if (!pod.enrolled) {
    const { means, next } = wordsOfPod(pod.reason ?? 'unknown')
    sentences.push(`${name} is not accelerated: ${means}.`, ...stepOf(next))
  } else {
    sentences.push(
      `${name} is enrolled. Of its ${count(fast + total(slow), 'connection')} with a watched end, ` +
        `${fast} ${fast === 1 ? 'is' : 'are'} fast; ${formatBytes(pod.redirectedBytes)} went that way.`,
    )
    for (const [reason, connections] of slow) {
      const { means, next } = wordsOfTraffic(reason)
      sentences.push(
        `${count(connections, 'connection')} on TCP (${reason}): ${means}.`,
        ...stepOf(next),
      )
    }
  }
  for (const { program, quarantined, evidence } of readers) {
    if (!quarantined) continue
    const { means } = wordsOfTraffic(evidence ?? 'unknown')
    sentences.push(
      `${program} is quarantined, because of one of its connections: ${means}.`,
      `  Next: once it is mended, \`meshaccel readers forgive ${name} ${program}\`.`,
    )
  }
  return {
    pod: name,
    enrolled: pod.enrolled,
    ...(pod.reason === undefined ? {} : { reason: pod.reason }),
    connections: { fast, slow: Object.fromEntries(slow) },
    sentences,
  }
}

/** What keeps every pod slow. */
function agentSentences(status: StatusView): string[] {
  if (status.state === 'refused') {
    return [
      `Nothing is accelerated on this node: ${status.refusedBecause ?? 'the self-test failed'}.`,
      '  Next: `meshaccel doctor` shows every probe.',
    ]
  }
  if (status.state === 'draining' || status.state === 'disabled') {
    return ['Redirecting is switched off on this node.', '  Next: `meshaccel resume`.']
  }
  if (status.podsFileError !== undefined) {
    return [`The pods file is wrong, so its last good content applies: ${status.podsFileError}`]
  }
  return []
}

const isOf = ({ client, server }: FlowView, pod: string): boolean =>
  client?.pod === pod || server?.pod === pod

/** Each connection is fast or has one reason. */
function sort(flows: readonly FlowView[]): { fast: number; slow: Map<string, number> } {
  let fast = 0
  const slow = new Map<string, number>()
  for (const { directions } of flows) {
    const held = directions.find(({ path }) => path !== 'redirect')
    if (held === undefined) {
      fast += 1
    } else {
      const reason = held.reason ?? 'short'
      slow.set(reason, (slow.get(reason) ?? 0) + 1)
    }
  }
  return { fast, slow }
}

const total = (counts: ReadonlyMap<string, number>): number =>
  [...counts.values()].reduce((sum, one) => sum + one, 0)

const count = (number: number, noun: string): string =>
  `${number} ${noun}${number === 1 ? '' : 's'}`

const stepOf = (next: Words['next']): string[] => (next === undefined ? [] : [`  Next: ${next}`])
