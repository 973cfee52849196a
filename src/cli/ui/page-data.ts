import { performance } from 'node:perf_hooks'
import { hostname } from 'node:os'
import type { FlowView, OverviewView } from '../../api/views.ts'
import { wordsOfPolicy } from '../output/words/policy.ts'
import { verdictOn, wordsOfProbe } from '../output/words/probe.ts'
import { wordsOfPod, wordsOfTraffic, type Words } from '../output/words/reason.ts'
import type { SteadyClient } from '../steady-client.ts'
import type { PageApi } from './page-server.ts'
import type { HopFlows, Page } from './page-types.ts'

/** Several tabs share one request to the agent within this time. */
const sharedMs = 900

/** The number of connections that the page lists for a pair of pods. */
const flowLimit = 50

/** Answers the page's requests by path, in JSON. */
export function pageApi(
  agent: SteadyClient,
  env: Readonly<Record<string, string | undefined>>,
): PageApi {
  const node = env['NODE_NAME'] || hostname()
  let asked: { readonly atMs: number; readonly answer: Promise<string> } | undefined
  const ask = async (atMs: number): Promise<string> => {
    const overview = await agent.call('Overview', {})
    const tookMs = performance.now() - atMs
    const { policy, selfTest } = overview.status
    const policyMeans = wordsOfPolicy(policy)
    const probes = Object.entries(selfTest).map(([name, ok]) => ({
      name,
      verdict: verdictOn(name, ok, selfTest['fionread-watch'] === true),
      ...wordsOfProbe(name, ok),
    }))
    const words = wordsIn(overview)
    const page: Page<OverviewView> = { node, atMs, tookMs, overview, policyMeans, probes, words }
    return toJson(page)
  }
  return {
    'api/overview': () => {
      const atMs = performance.now()
      if (!asked || atMs - asked.atMs > sharedMs) asked = { atMs, answer: ask(atMs) }
      return asked.answer
    },
    'api/flows': async (query) => {
      const [client, server] = [query.get('client'), query.get('server')]
      const ends = { ...(client !== null && { client }), ...(server !== null && { server }) }
      const { flows } = await agent.call('HopFlows', { ends, limit: flowLimit })
      const reasons = flows.flatMap(({ directions }) => directions.map(({ reason }) => reason))
      const page: HopFlows<FlowView> = { flows, words: explained(reasons, wordsOfTraffic) }
      return toJson(page)
    },
  }
}

function wordsIn({ status, pods, readers, hops }: OverviewView): Page<OverviewView>['words'] {
  const traffic = [
    ...Object.keys(status.reasons),
    ...hops.flatMap(({ reasons }) => Object.keys(reasons)),
    ...readers.flatMap(({ evidence, connections }) => [
      evidence,
      ...Object.keys(connections.unproven),
    ]),
  ]
  return {
    traffic: explained(traffic, wordsOfTraffic),
    pods: explained(
      pods.map(({ reason }) => reason),
      wordsOfPod,
    ),
  }
}

function explained(
  reasons: readonly (string | undefined)[],
  wordsOf: (reason: string) => Words,
): Record<string, Words> {
  const known = new Set(reasons.filter((reason) => reason !== undefined))
  return Object.fromEntries([...known].map((reason) => [reason, wordsOf(reason)]))
}

/** Formats as JSON. Numbers are exact up to 2^53, more than a person reads from a page. */
function toJson(page: object): string {
  return JSON.stringify(page, (_key, field: unknown) =>
    typeof field === 'bigint' ? Number(field) : field,
  )
}
