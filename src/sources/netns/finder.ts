import type { NetnsRef } from '../../pods/observed-pod.ts'

/** Finds the network namespaces of pods on this node. */
export interface NetnsFinder {
  /** For messages: `the container runtime`. */
  readonly name: string
  /** Returns the namespaces that exist now, by the uid that kubelet uses. Rejects if the finder cannot answer. */
  find(uids: ReadonlySet<string>): Promise<ReadonlyMap<string, NetnsRef>>
}
