/** The events that the programs send through the ring buffer, and the listeners that receive them. */

import { RingBuffer, type AnyMap } from 'libbpf'
import { type DatapathEvent, eventKinds } from '../datapath.ts'
import { formatAddress } from './flow-table.ts'
import { measuredPathNames, roleNames } from '../generated-names.ts'
import { event, flowEvent } from '../maps/generated.ts'
import { reasonName } from '../maps/layout.ts'

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
  const { netnsCookie, kind: code, reason, tgid: pid, comm } = event.decode(view, 0)
  const kind = eventKinds[code]
  if (kind === undefined) return undefined
  const told = { kind, netnsCookie, pid, comm, ...(reason ? { reason: reasonName(reason) } : {}) }
  if (view.byteLength < flowEvent.size) return told
  const flow = flowEvent.decode(view, 0)
  return {
    ...told,
    flow: {
      peerCookie: flow.peerCookie,
      role: roleNames[flow.role] ?? 'server',
      local: formatAddress(flow.localAddress, flow.localPort, flow.family),
      remote: formatAddress(flow.remoteAddress, flow.remotePort, flow.family),
      path: measuredPathNames[flow.path] ?? 'tcp',
      endedNs: flow.endedNs,
      durationNs: flow.durationNs,
    },
  }
}
