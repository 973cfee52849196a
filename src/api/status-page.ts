import { exact } from '../lib/exact-json.ts'
import type { Page } from './http.ts'
import type { Control, StatusView } from './views.ts'

/**
 * The status without names of pods, namespaces and files. Everybody who reaches the address of the metrics may read it. 64-bit
 * numbers are as in the JSON of the command line.
 */
export type NodeStatus = Pick<
  StatusView,
  'state' | 'policy' | 'refusedBecause' | 'kernel' | 'version' | 'pods' | 'connections' | 'totals'
> & {
  readonly source: Pick<StatusView['source'], 'name' | 'synced'>
  /** Pods that a capture holds on TCP. */
  readonly held: number
  /** Namespaces that the guard holds on TCP. */
  readonly guardHeld: number
  /** Whether a trial runs. */
  readonly trial: boolean
}

/** `/status`: what `meshaccel status --cluster` shows of a node. */
export function statusPage(control: Pick<Control, 'status'>): () => Promise<Page> {
  return async () => {
    const status = await control.status()
    const { state, policy, refusedBecause, kernel, version, pods, connections, totals } = status
    const { name, synced } = status.source
    const shown: NodeStatus = {
      state,
      policy,
      ...(refusedBecause === undefined ? {} : { refusedBecause }),
      kernel,
      version,
      pods,
      connections,
      totals,
      source: { name, synced },
      held: status.heldPods.length,
      guardHeld: new Set(
        status.guarded
          .filter(({ heldSince }) => heldSince !== undefined)
          .map(({ namespace }) => namespace),
      ).size,
      trial: status.trial !== undefined,
    }
    const body = `${JSON.stringify(shown, exact)}\n`
    return { status: 200, contentType: 'application/json', body }
  }
}
