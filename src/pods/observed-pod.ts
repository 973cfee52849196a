/** The facts that every source reports, without conclusions from them. */

import type { Exclusions } from './exclusions.ts'
import type { Mesh } from './meshes.ts'

/** A reference to a pod's network namespace. */
export type NetnsRef = { readonly path: string } | { readonly pid: number }

/** Whether connections with a blocking reader may join, or stay on TCP (the default). */
export const blockingReaders = ['accelerate', 'leave'] as const
export type BlockingReaders = (typeof blockingReaders)[number]

/** A pod as its source sees it. */
export interface ObservedPod {
  readonly namespace: string
  readonly name: string
  readonly uid?: string
  /** Absent: not found yet. */
  readonly netns?: NetnsRef
  /** Set if the source knows them; otherwise the agent reads them in the namespace. */
  readonly ips?: readonly string[]
  /** The mesh whose sidecar the pod has. */
  readonly mesh?: Mesh
  /** The sidecar's uid, if it is not the mesh's usual one. 0 does not distinguish it from other programs. */
  readonly proxyUid?: number
  /** The sidecar's gid. It distinguishes a sidecar that runs as root. */
  readonly proxyGid?: number
  /** Half a sentence about its proxy, and about the traffic that the mesh redirects there. */
  readonly proxy?: string
  /** Its mesh has no sidecar, and no proxy of the node serves it now. */
  readonly ambient?: boolean
  /** It shares the host's network namespace. */
  readonly hostNetwork?: boolean
  /** Its containers have ended for good. */
  readonly finished?: boolean
  /** Absent: the agent's default applies. */
  readonly enabled?: boolean
  /** Absent: its user has not chosen. */
  readonly blockingReaders?: BlockingReaders
  /** The limit of its guard in percent; 0: no guard. Absent: the agent's default applies. */
  readonly guard?: number
  /** The traffic that its user wants on TCP. `invalid`: the rules are unreadable. */
  readonly exclusions?: Exclusions | 'invalid'
  /** It or its namespace has an unknown annotation that looks like one of ours. */
  readonly unknownAnnotation?: boolean
  /** The mistake in its annotations or its namespace's: a sentence without its full stop. */
  readonly problem?: string
}

/** `namespace/name`, as users write a pod. */
export function podKey(pod: { readonly namespace: string; readonly name: string }): string {
  return `${pod.namespace}/${pod.name}`
}
