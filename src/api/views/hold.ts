/** The messages of a hold: the agent keeps a pod on TCP. */

export interface HoldRequest {
  /** `namespace/name`. */
  readonly pod: string
}

/** First `waiting`, again and again, then `held` once. */
export interface HoldEventView {
  readonly waiting?: HoldWaitingView
  readonly held?: HeldPodView
}

export interface HoldWaitingView {
  /** Connections of the pod that have not left yet. */
  readonly connections: number
  /** The readers that have not read what was redirected to them, in words. Empty if there are none. */
  readonly readers: string
}

/** The network namespace of the pod, as the agent sees it. */
export interface HeldPodView {
  readonly netnsPath: string
  readonly netnsCookie: bigint
}
