import { release } from 'node:os'
import { agentState, flowViews, isNamed, podViews, readerViews } from './api/snapshot.ts'
import type { Control } from './api/views.ts'
import type { Datapath } from './datapath/datapath.ts'
import { MeshaccelError } from './errors.ts'
import { version } from './package.ts'
import type { SeenPod } from './reconcile/desired.ts'

export interface ControlledAgent {
  readonly datapath: Datapath
  readonly seen: () => readonly SeenPod[]
  /** What is wrong with the pods file now. */
  readonly podsFileError: () => string | undefined
  /** Removes everything and lets the agent end once the caller has its answer. */
  readonly cleanup: (timeoutMs: number) => Promise<void>
}

/** What users may ask of a running agent. */
export function agentControl({ datapath, seen, podsFileError, cleanup }: ControlledAgent): Control {
  return {
    status: () => {
      const { reasons, ...totals } = datapath.counters()
      const pods = seen()
      const fileError = podsFileError()
      const { refusedBecause } = datapath
      return {
        state: agentState(datapath),
        policy: datapath.policy,
        ...(refusedBecause === undefined ? {} : { refusedBecause }),
        kernel: release(),
        version,
        pods: { seen: pods.length, enrolled: pods.filter(({ enrolled }) => enrolled).length },
        connections: datapath.connections(),
        totals,
        reasons,
        ...(fileError === undefined ? {} : { podsFileError: fileError }),
      }
    },
    pods: () => podViews(seen(), datapath.flows()),
    readers: () => readerViews(seen(), datapath.flows(), datapath.quarantined()),
    forgive: (reader) => datapath.forgive(isNamed(seen(), reader)),
    flows: () => flowViews(seen(), datapath.flows()),
    reasons: () => datapath.counters().reasons,
    drain: async (timeoutMs) => {
      const state = agentState(datapath)
      if (state === 'refused') return true
      await datapath.drain(timeoutMs)
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
    cleanup,
  }
}
