import type { NetnsRef } from '../../pods/observed-pod.ts'

/** Something on the node that knows where pods' network namespaces are. */
export interface NetnsFinder {
  /** For messages: `the container runtime`. */
  readonly name: string
  /** Those of the pods that have one now, by the uid that kubelet knows them by. Rejects when it cannot tell. */
  find(uids: ReadonlySet<string>): Promise<ReadonlyMap<string, NetnsRef>>
}
