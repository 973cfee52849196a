import { release } from 'node:os'
import type { Observer } from './agent-observer.ts'
import { flowsOfHop, HopMeter } from './api/hops.ts'
import {
  agentState,
  flowViews,
  isNamed,
  podsByCookie,
  podViews,
  readerViews,
} from './api/snapshot.ts'
import { textPage, type Pages } from './api/http.ts'
import type { Control, DrainRequest, SourceView } from './api/views.ts'
import type { Datapath } from './datapath/datapath.ts'
import { MeshaccelError } from './errors.ts'
import { podKey } from './observed-pod.ts'
import { version } from './package.ts'
import type { SeenPod } from './reconcile/desired.ts'

export interface ControlledAgent {
  readonly datapath: Datapath
  readonly seen: () => readonly SeenPod[]
  readonly observer: Pick<Observer, 'trace'>
  /** Where pods come from, and how that is doing. */
  readonly source: Readonly<SourceView>
  /** Removes everything and lets the agent end once the caller has its answer. */
  readonly cleanup: (request: DrainRequest) => Promise<void>
}

/** More hops than that make no picture. */
const hopLimit = 1000

/** What users may ask of a running agent. */
export function agentControl({
  datapath,
  seen,
  observer,
  source,
  cleanup,
}: ControlledAgent): Control {
  const meter = new HopMeter()
  const control: Control = {
    status: () => {
      const { counters, connections, unreadBytes } = datapath.survey()
      const { reasons, ...totals } = counters
      const pods = seen()
      const { name, synced, error } = source
      const { refusedBecause } = datapath
      return {
        state: agentState(datapath, connections),
        policy: datapath.policy,
        ...(refusedBecause === undefined ? {} : { refusedBecause }),
        kernel: release(),
        version,
        pods: { seen: pods.length, enrolled: pods.filter(({ enrolled }) => enrolled).length },
        connections,
        totals,
        unreadBytes,
        selfTest: datapath.selfTest,
        reasons,
        ...(name === 'file' && error !== undefined ? { podsFileError: error } : {}),
        source: { name, synced, ...(error === undefined ? {} : { error }) },
      }
    },
    pods: () => podViews(seen(), datapath.flows()),
    readers: () => readerViews(seen(), datapath.flows(), datapath.quarantined()),
    forgive: (reader) => datapath.forgive(isNamed(seen(), reader)),
    flows: (filter) => flowViews(seen(), datapath.flows(), filter),
    reasons: () => datapath.survey().counters.reasons,
    trace: (request, tell) => observer.trace(request, tell),
    drain: async (request) => {
      const state = agentState(datapath, datapath.survey().connections)
      if (state === 'refused') return true
      const podOf = (netnsCookie: bigint): string | undefined => {
        const pod = podsByCookie(seen()).get(netnsCookie)
        return pod && podKey(pod)
      }
      await datapath.drain({ ...request, podOf })
      return state === 'disabled'
    },
    resume: () => {
      if (datapath.policy === 'refused') {
        throw new MeshaccelError(datapath.refusedBecause ?? 'this kernel is refused', {
          code: 'REFUSED',
          operation: 'resume',
          hint: '`meshaccel doctor` shows what the self-test found.',
        })
      }
      const already = datapath.redirecting
      if (!already) datapath.resume()
      return already
    },
    overview: () => {
      const pods = seen()
      const flows = datapath.flows()
      const hops = meter.look(pods, flows)
      return {
        status: control.status(),
        pods: podViews(pods, flows),
        readers: readerViews(pods, flows, datapath.quarantined()),
        hops: hops.slice(0, hopLimit),
        moreHops: Math.max(hops.length - hopLimit, 0),
      }
    },
    hopFlows: (ends, limit) => [
      ...flowViews(seen(), flowsOfHop(seen(), datapath.flows(), ends, limit), {}),
    ],
    cleanup,
  }
  return control
}

/**
 * What kubelet probes: alive when it answers; ready once the source's pods were all acted upon. It stays ready when the
 * API server goes away, because the last state counts.
 */
export function probePages(source: Readonly<SourceView>): Pages {
  return {
    '/healthz': () => textPage(200, 'ok'),
    '/readyz': () =>
      source.synced
        ? textPage(200, source.error === undefined ? 'ok' : `ok, but ${source.error}`)
        : textPage(503, source.error ?? `waiting for the first pods of ${source.name}`),
  }
}
