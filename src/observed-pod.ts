/** The facts that every source reports, and nothing that anybody concluded from them. */

/** Where a pod's network namespace can be found. */
export type NetnsRef = { readonly path: string } | { readonly pid: number }

export type Mesh = 'istio' | 'linkerd'

/** A pod as its source sees it. */
export interface ObservedPod {
  readonly namespace: string
  readonly name: string
  readonly uid?: string
  readonly netns: NetnsRef
  /** The mesh whose sidecar the pod has. */
  readonly mesh?: Mesh
  /** The uid that the sidecar runs as, where it is not the mesh's own. */
  readonly proxyUid?: number
  /** Absent: the agent's default applies. */
  readonly enabled?: boolean
}

/** `namespace/name`, the way users write a pod. */
export function podKey(pod: { readonly namespace: string; readonly name: string }): string {
  return `${pod.namespace}/${pod.name}`
}
