/** The request of `meshaccel advise`, and the agent's answers. */

export interface AdviseRequest {
  /** No names: every namespace with pods that are not enabled. Pods that are disabled by name only count if named. */
  readonly namespaces: readonly string[]
  readonly forMs: number
}

/** First `begun`, then a report after each look. Each report contains the earlier ones. */
export interface AdviceEventView {
  readonly begun?: AdviceBegunView
  readonly report?: AdviceReportView
}

export interface AdviceBegunView {
  /** `namespace/name` of the pods that are watched. */
  readonly pods: readonly string[]
  /** Established sockets of these pods at the beginning. */
  readonly sockets: number
  readonly leftOut: readonly { readonly pod: string; readonly reason: string }[]
  /** Watched pods whose own exclusion rules the advice ignores. */
  readonly withRules: readonly string[]
}

export interface AdviceReportView {
  readonly elapsedMs: number
  readonly cost: AdviceCostView
  readonly namespaces: readonly NamespaceAdviceView[]
}

/** The agent's cost of the looks at the connections. */
export interface AdviceCostView {
  readonly looks: number
  /** Processor time of the agent and its walks during the looks; at most this much. */
  readonly cpuUs: bigint
  readonly slowestLookUs: bigint
  /** The pause before the next look. It grows with the time that a look takes. */
  readonly pauseMs: number
  /** Connections that were seen and not counted, because there were too many. */
  readonly uncounted: number
}

/** The connections of the watched pods of a namespace, each once. */
export interface NamespaceAdviceView {
  readonly namespace: string
  /** The number of watched pods. */
  readonly pods: number
  /** Sockets that its pods have opened meanwhile, also those that were too short to be seen. */
  readonly opened: bigint
  readonly all: ConnectionSumsView
  /** Both ends are in watched or enrolled pods of this node. */
  readonly bothHere: ConnectionSumsView
  readonly wouldJoin: ConnectionSumsView
  /** The other connections by reason. */
  readonly wouldNot: Readonly<Record<string, ConnectionSumsView>>
  /** Ends in its pods. */
  readonly readers: {
    readonly proven: number
    readonly unproven: Readonly<Record<string, number>>
  }
  /** Peers that are not watched, those with the most bytes first. */
  readonly peers: readonly PeerView[]
  /** The number of peers that are left out. */
  readonly morePeers: number
}

export interface ConnectionSumsView {
  readonly connections: number
  /** Carried meanwhile, in both directions. */
  readonly bytes: bigint
  /** Turns that were seen meanwhile. Known for connections that would join. */
  readonly turns: bigint
}

/** All connections between a watched pod and an address that is not watched. */
export interface PeerView {
  /** `namespace/name`. */
  readonly pod: string
  /** Whether the pod made the connections. */
  readonly calls: boolean
  /** Without its port. */
  readonly address: string
  /** The server's port. */
  readonly port: number
  readonly connections: number
  /** Carried meanwhile, in both directions. */
  readonly bytes: bigint
  /** The pod of this node that has the address, and why it is not enrolled. */
  readonly peer?: string
  readonly reason?: string
}

/** The advice that is being made. */
export interface AdviceRunningView {
  readonly namespaces: readonly string[]
}
