/** Advice in words. */

import type { PeerView } from '../../api/views.ts'
import { formatDuration } from '../../lib/duration.ts'
import type { CliEnvironment } from '../environment.ts'
import { fold, plain } from '../output/plain-text.ts'
import { formatBytes } from '../output/print.ts'
import { wordsOfPod, wordsOfTraffic, type Words } from '../output/words/reason.ts'
import { renderTable, type Column, widthOf } from '../output/table.ts'
import type { Advice, NamespaceAdvice } from './ranking.ts'
import { affinityYaml, type SpreadPair } from './spread.ts'

/** The facts that the words need beyond the figures. */
export interface Surroundings {
  /** Where pods come from. */
  readonly source: string
  /** On this kernel, only sidecars may read from the fast path. */
  readonly sidecarsOnly: boolean
  /** Peers of this node that are not watched. */
  readonly peersHere: readonly PeerView[]
  readonly pairs: readonly SpreadPair[]
  /** Why the API server did not tell where pods are. */
  readonly placesError?: string | undefined
}

/** Pairs, peers and pods that are named; JSON has all. */
const shownPairs = 5
const examples = 3

/** Below this share of a core, nobody notices. */
const hardlyAny = 0.001

const columns: readonly Column[] = [
  { title: 'NAMESPACE', flexible: true },
  { title: 'PODS', right: true, spare: 3 },
  { title: 'CONNECTIONS', right: true, spare: 1 },
  { title: 'BOTH ENDS HERE', right: true, spare: 2 },
  { title: 'WOULD JOIN', right: true },
  { title: 'READERS PROVEN', right: true, spare: 4 },
  { title: 'TURNS/S', right: true, spare: 5 },
  { title: 'BYTES/S', right: true, spare: 6 },
  { title: 'SAVES', right: true },
]

const row = (advice: NamespaceAdvice): string[] => {
  const { namespace, pods, connections, bothHereShare, wouldJoin, readers } = advice
  return [
    namespace,
    String(pods),
    String(connections),
    connections === 0 ? '-' : percent(bothHereShare),
    `${wouldJoin.connections} (${percent(advice.wouldJoinShare)})`,
    `${readers.proven} of ${readers.proven + sumOf(readers.unproven)}`,
    perSecond(wouldJoin.turnsPerSecond),
    formatBytes(wouldJoin.bytesPerSecond),
    savedBy(advice),
  ]
}

/** The whole text for a person. */
export function describeAdvice(
  advice: Advice,
  around: Surroundings,
  environment: CliEnvironment,
): string {
  const width = widthOf(environment)
  const sentences = [
    ...advice.namespaces.flatMap((one) => sentencesOf(one, around)),
    ...spreadSentences(around),
    ...limitSentences(advice, around),
    costSentence(advice),
  ].flatMap((sentence) => fold(plain(sentence), width, '    '))
  const table = renderTable(columns, advice.namespaces.map(row), environment)
  return `${table}${sentences.map((line) => `${line}\n`).join('')}`
}

/** The advice about one namespace, in sentences. Pure. */
export function sentencesOf(
  advice: NamespaceAdvice,
  { source, peersHere }: Pick<Surroundings, 'source' | 'peersHere'>,
): string[] {
  const { namespace, connections, wouldJoin, wouldNot, unseenSockets } = advice
  const unseen =
    unseenSockets === 0
      ? []
      : [
          `  At least ${count(unseenSockets, 'socket')} opened and closed between two looks. Such short connections stay on TCP.`,
        ]
  if (connections === 0) return [`${namespace}: its pods had no connection.`, ...unseen]
  return [
    `${namespace}: ${wouldJoin.connections} of ${count(connections, 'connection')} would join.`,
    ...Object.entries(wouldNot).flatMap(([reason, rates]) => [
      `  ${count(rates.connections, 'connection')} would not (${reason}): ${wordsOfTraffic(reason).means}.`,
      ...(reason === 'remote-peer' ? hereSentences(namespace, peersHere) : []),
      ...stepOf(reason, wordsOfTraffic(reason), namespace),
    ]),
    ...unseen,
    ...nextSteps(advice, source),
  ]
}

function nextSteps({ namespace, wouldJoin, savedCpu }: NamespaceAdvice, source: string): string[] {
  if (wouldJoin.connections === 0) return ['  Next: nothing. Enabling it would change nothing now.']
  if (savedCpu < hardlyAny) {
    return ['  Next: nothing. The connections that would join carry too little to matter.']
  }
  const enable =
    source === 'kubernetes'
      ? `\`kubectl annotate --overwrite namespace ${namespace} meshaccel.io/enabled=true\` enables it`
      : `\`enabled: true\` at its pods in the pods file enables it`
  return [`  Next: \`meshaccel trial ${namespace}\` measures what it gains; ${enable}.`]
}

/** The peers of a namespace on this node that are not enrolled. */
function hereSentences(namespace: string, peersHere: readonly PeerView[]): string[] {
  const its = peersHere.filter(({ pod }) => pod.startsWith(`${namespace}/`))
  const named = new Map(its.map(({ peer = '', reason }) => [peer, reason]))
  if (named.size === 0) return []
  const such = [...named]
    .slice(0, examples)
    .map(([peer, reason = 'not watched']) => `${peer} (${reason})`)
  return [`  On this node, but not enrolled: ${such.join(', ')}.`]
}

/** Only steps that concern a namespace as a whole. */
function stepOf(reason: string, { next }: Words, namespace: string): string[] {
  const isOfNamespace = reason === 'blocking-reader'
  return next === undefined || !isOfNamespace
    ? []
    : [`    ${next.replaceAll('NAMESPACE', namespace)}`]
}

/** The pairs whose pods are apart, with what brings them together. Pure. */
export function spreadSentences({
  pairs,
  placesError,
}: Pick<Surroundings, 'pairs' | 'placesError'>): string[] {
  if (pairs.length === 0) return []
  const shown = pairs.slice(0, shownPairs)
  return [
    'These talk with pods that are not on this node, and only connections within a node can join:',
    ...shown.flatMap((pair) => [
      `  ${pair.client} > ${pair.server}, port ${pair.port}: ${count(pair.connections, 'connection')}, ` +
        `${formatBytes(pair.bytesPerSecond)}/s` +
        (pair.nodes.length === 0 ? '' : ` (the other end is on ${pair.nodes.join(', ')})`),
      ...(pair.affinity
        ? [
            `  In the pod template of ${pair.client}, this prefers a node that has the server:`,
            ...affinityYaml(pair.affinity).map((line) => `    ${line}`),
          ]
        : []),
    ]),
    ...(placesError === undefined
      ? []
      : [
          `  The pods at these addresses are unknown: ${placesError}.`,
          '  Next: name a kubeconfig in KUBECONFIG that may list pods.',
        ]),
  ]
}

function limitSentences(advice: Advice, { sidecarsOnly }: Surroundings): string[] {
  const { watched, cost } = advice
  const leftOut = new Map<string, string[]>()
  for (const { pod, reason } of watched.leftOut) {
    leftOut.set(reason, [...(leftOut.get(reason) ?? []), pod])
  }
  return [
    ...[...leftOut].map(
      ([reason, pods]) =>
        `${count(pods.length, 'pod')} not watched (${reason}): ${wordsOfLeftOut(reason)}. Such as ${someOf(pods)}.`,
    ),
    ...(watched.withRules.length === 0
      ? []
      : [
          `The exclusion rules of ${someOf(watched.withRules)} were not applied: what they exclude would not join.`,
        ]),
    ...(cost.uncounted === 0
      ? []
      : [
          `Up to ${count(cost.uncounted, 'connection')} in a look were not counted, because there were too many.`,
        ]),
    ...(sidecarsOnly
      ? ['On this kernel only sidecars read from the fast path, so at most half of it applies.']
      : []),
  ]
}

const wordsOfLeftOut = (reason: string): string => ofLeftOut[reason] ?? wordsOfPod(reason).means

const ofLeftOut: Readonly<Record<string, string>> = {
  'disabled-by-name':
    'it says `false` in its own setting or that of its namespace; name the namespace to watch it all the same',
  'too-many-sockets': 'the pods before it have as many sockets as advice may watch',
}

function costSentence({ elapsedMs, namespaces, cost }: Advice): string {
  const measured =
    namespaces.length === 0 ? '' : 'Counts are measured; joins and savings are predictions. '
  return (
    `${measured}Watched for ${formatDuration(Math.round(elapsedMs / 100) * 100)}: ${count(cost.looks, 'look')} took ` +
    `${(Number(cost.cpuUs) / 1000).toFixed(1)} ms of processor time ` +
    `(${(cost.cpuShare * 100).toFixed(2)} % of a core), ${(Number(cost.slowestLookUs) / 1000).toFixed(1)} ms at most.`
  )
}

const someOf = (names: readonly string[]): string =>
  names.slice(0, examples).join(', ') +
  (names.length > examples ? ` and ${names.length - examples} more` : '')

const count = (number: number, noun: string): string =>
  `${number} ${noun}${number === 1 ? '' : 's'}`
const percent = (share: number): string => `${Math.round(share * 100)} %`
const perSecond = (value: number): string => value.toFixed(value > 0 && value < 10 ? 1 : 0)
const sumOf = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, number) => sum + number, 0)

function savedBy({ savedCpu }: NamespaceAdvice): string {
  if (savedCpu === 0) return '-'
  return savedCpu < hardlyAny ? '< 0.1 % CPU' : `~${(savedCpu * 100).toFixed(1)} % CPU`
}
