import { release } from 'node:os'
import type { Guard } from './guard/guard.ts'
import type { Holds } from './holds.ts'
import type { Advice } from './advice/advice.ts'
import type { Observer } from './observer.ts'
import type { Trials } from './trial/trials.ts'
import { FlowsOfPair, PairTally, PairMeter } from '../api/pod-pairs.ts'
import {
  agentState,
  type FlowCounter,
  flowView,
  flowViews,
  isNamed,
  PodTally,
  podsByCookie,
  ReaderTally,
  withoutAdvice,
} from '../api/snapshot.ts'
import { textPage, type Pages } from '../api/http.ts'
import { pairLatencies } from '../api/latencies.ts'
import type { Control, DrainRequest, OverviewView, PodView, SourceView } from '../api/views.ts'
import type { Datapath, Flow } from '../datapath/datapath.ts'
import { MeshaccelError } from '../lib/errors.ts'
import { podKey } from '../pods/observed-pod.ts'
import { version } from '../lib/package.ts'
import type { SeenPod } from '../reconcile/desired.ts'

export interface ControlledAgent {
  readonly datapath: Datapath
  readonly seen: () => readonly SeenPod[]
  readonly observer: Pick<Observer, 'trace' | 'measuring'>
  readonly trials: Pick<Trials, 'run' | 'running'>
  readonly holds: Pick<Holds, 'run' | 'pods'>
  readonly advice: Pick<Advice, 'run' | 'running'>
  readonly guard: Pick<Guard, 'aside' | 'guarded' | 'holds'>
  /** The source of pods, and its state. */
  readonly source: Readonly<SourceView>
  /** Removes everything. The agent ends after it has answered the caller. */
  readonly cleanup: (request: DrainRequest) => Promise<void>
}

/** A page with more entries is unreadable. */
const pairLimit = 1000
const latencyLimit = 100

/** The operations that users may request from a running agent. */
export function agentControl({
  datapath,
  seen,
  observer,
  trials,
  holds,
  advice,
  guard,
  source,
  cleanup,
}: ControlledAgent): Control {
  const meter = new PairMeter()
  const liveFlows = async function* (): AsyncGenerator<readonly Flow[]> {
    const pods = podsByCookie(seen())
    for await (const flows of datapath.flows()) {
      yield flows.map((flow) => withoutAdvice(flow, pods))
    }
  }
  const countFlows = async (...counters: readonly FlowCounter[]): Promise<void> => {
    for await (const flows of liveFlows()) {
      for (const flow of flows) for (const counter of counters) counter.add(flow)
    }
  }
  const heldBy = (pod: SeenPod): PodView['heldBy'] => {
    if (holds.pods.includes(podKey(pod))) return 'capture'
    return pod.enrolled && guard.holds(pod) ? 'guard' : undefined
  }
  const look = async (): Promise<OverviewView> => {
    const pods = seen()
    const [tally, readers, pairs] = [new PodTally(), new ReaderTally(pods), new PairTally(pods)]
    await countFlows(tally, readers, pairs)
    const hops = meter.pairsOf(pairs)
    return {
      status: await control.status(),
      pods: tally.views(pods, heldBy),
      readers: readers.views(datapath.quarantined()),
      hops: hops.slice(0, pairLimit),
      moreHops: Math.max(hops.length - pairLimit, 0),
      measuring: observer.measuring,
      latencies: pairLatencies(datapath.measured(), latencyLimit),
    }
  }
  let looking: Promise<OverviewView> | undefined
  const control: Control = {
    status: async () => {
      const { counters, connections, unreadBytes } = await datapath.survey()
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
        ...(trials.running ? { trial: trials.running } : {}),
        heldPods: holds.pods,
        ...(advice.running ? { advice: advice.running } : {}),
        guarded: guard.guarded,
      }
    },
    pods: async () => {
      const tally = new PodTally()
      await countFlows(tally)
      return tally.views(seen(), heldBy)
    },
    readers: async () => {
      const readers = new ReaderTally(seen())
      await countFlows(readers)
      return readers.views(datapath.quarantined())
    },
    forgive: (reader) => datapath.forgive(isNamed(seen(), reader)),
    flows: (filter) => flowViews(seen(), liveFlows(), filter),
    reasons: async () => (await datapath.survey()).counters.reasons,
    trace: (request, tell) => observer.trace(request, tell),
    trial: (request, signal) => {
      if (advice.running) throw busy('advice is being made', `try namespace ${request.namespace}`)
      return guard.aside(trials.run(request, signal))
    },
    hold: (request, signal) => guard.aside(holds.run(request, signal)),
    advise: (request, signal) => {
      if (trials.running) throw busy('a trial runs', 'advise')
      return guard.aside(advice.run(request, signal))
    },
    drain: async (request) => {
      const state = agentState(datapath, (await datapath.survey()).connections)
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
    // Concurrent requests share one overview.
    overview: () => (looking ??= look().finally(() => (looking = undefined))),
    hopFlows: async (ends, limit) => {
      const pods = seen()
      const found = new FlowsOfPair(pods, ends, limit)
      await countFlows(found)
      const named = podsByCookie(pods)
      return found.flows().map((flow) => flowView(flow, named))
    },
    cleanup,
  }
  return control
}

/** A trial and advice would mix up each other's figures. */
function busy(what: string, operation: string): MeshaccelError {
  return new MeshaccelError(`${what} on this node`, {
    code: 'BUSY',
    operation,
    hint: 'Wait until it has ended, or end its command. `meshaccel status` shows it.',
    retryable: true,
  })
}

/**
 * The pages that kubelet probes. `/healthz` succeeds whenever the agent answers. `/readyz` succeeds once all the
 * source's pods have been handled. The agent stays ready if the API server fails, because the last state remains valid.
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
