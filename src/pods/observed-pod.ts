/** The facts that every source reports, and nothing that anybody concluded from them. */

import type { Exclusions } from './exclusions.ts'
import type { Mesh } from './meshes.ts'

/** Where a pod's network namespace can be found. */
export type NetnsRef = { readonly path: string } | { readonly pid: number }

/** Whether connections whose reader blocks may join, or are left on TCP, as by default. */
export const blockingReaders = ['accelerate', 'leave'] as const
export type BlockingReaders = (typeof blockingReaders)[number]

/** A pod as its source sees it. */
export interface ObservedPod {
  readonly namespace: string
  readonly name: string
  readonly uid?: string
  /** Absent: nobody has found it yet. */
  readonly netns?: NetnsRef
  /** Where the source knows them; else they are read in the namespace. */
  readonly ips?: readonly string[]
  /** The mesh whose sidecar the pod has. */
  readonly mesh?: Mesh
  /** The uid that the sidecar runs as, where it is not the mesh's own; 0 tells it from no other program. */
  readonly proxyUid?: number
  /** Its gid, which tells it apart where it runs as root. */
  readonly proxyGid?: number
  /** Its proxy in words, and what the mesh sends there: half a sentence. */
  readonly proxy?: string
  /** Its mesh has no sidecar, and no proxy of the node serves it now. */
  readonly ambient?: boolean
  /** It shares the host's network namespace. */
  readonly hostNetwork?: boolean
  /** Its containers have ended for good. */
  readonly finished?: boolean
  /** Absent: the agent's default applies. */
  readonly enabled?: boolean
  /** Absent: its user does not say. */
  readonly blockingReaders?: BlockingReaders
  /** What its user wants to stay on TCP; `invalid`: something, and nobody can read what. */
  readonly exclusions?: Exclusions | 'invalid'
  /** It or its namespace has an annotation that looks like one of ours, and nobody knows it. */
  readonly unknownAnnotation?: boolean
  /** What its user has written wrong, on it or on its namespace: a sentence without its full stop. */
  readonly problem?: string
}

/** `namespace/name`, the way users write a pod. */
export function podKey(pod: { readonly namespace: string; readonly name: string }): string {
  return `${pod.namespace}/${pod.name}`
}
