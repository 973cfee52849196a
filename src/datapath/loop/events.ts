/** The events that the programs send through the ring buffer, and the listeners that receive them. */

import { RingBuffer, type AnyMap } from 'libbpf'
import { type DatapathEvent, eventKinds } from '../datapath.ts'
import { formatAddress } from './flow-table.ts'
import { event, reasonName, ROLE_CLIENT } from '../maps/layout.ts'
import { flowEvent, measuredPaths } from '../measure/layout.ts'

export class Events implements Disposable {
  readonly #ring: RingBuffer
  readonly #listeners = new Set<(event: DatapathEvent) => void>()

  constructor(map: AnyMap, onError: (error: unknown) => void) {
    this.#ring = new RingBuffer(map, (sample) => {
      const told = decode(sample)
      if (told) for (const listener of this.#listeners) listener(told)
    })
    this.#ring.watch(onError)
  }

  listen(listener: (event: DatapathEvent) => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  [Symbol.dispose](): void {
    // The last event may be the reason for the shutdown.
    if (!this.#ring.disposed) this.#ring.consume()
    this.#listeners.clear()
    this.#ring[Symbol.dispose]()
  }
}

/** Returns undefined for a kind that this agent does not know. */
function decode(sample: Buffer): DatapathEvent | undefined {
  const view = new DataView(sample.buffer, sample.byteOffset, sample.byteLength)
  const { netns_cookie: netnsCookie, kind: code, reason, tgid: pid, comm } = event.decode(view, 0)
  const kind = eventKinds[code]
  if (kind === undefined) return undefined
  const told = { kind, netnsCookie, pid, comm, ...(reason ? { reason: reasonName(reason) } : {}) }
  if (view.byteLength < flowEvent.size) return told
  const flow = flowEvent.decode(view, 0)
  return {
    ...told,
    flow: {
      peerCookie: flow.peer_cookie,
      role: flow.role === ROLE_CLIENT ? 'client' : 'server',
      local: formatAddress(flow.local_address, flow.local_port, flow.family),
      remote: formatAddress(flow.remote_address, flow.remote_port, flow.family),
      path: measuredPaths[flow.path] ?? 'tcp',
      endedNs: flow.ended_ns,
      durationNs: flow.duration_ns,
    },
  }
}
