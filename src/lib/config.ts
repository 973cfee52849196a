/** What the agent is told on its command line. */
export interface AgentConfig {
  readonly pods: PodsOrigin
  /** The cgroup v2 directory whose connections are watched; the root of the hierarchy where none is named. */
  readonly cgroupPath?: string | undefined
  /** The bpffs directory of the pins. */
  readonly pinDir: string
  readonly socketPath: string
  /** Whether a pod that does not say `enabled` is enrolled. */
  readonly defaultEnabled: boolean
  /** Redirected and unread bytes that one direction may hold. */
  readonly capBytes: number
  /** Kernel memory for a pod's redirected and unread messages; else a part of the machine's. */
  readonly podMemoryBytes?: number | undefined
  readonly policy: RequestedPolicy
  /** Drain and remove everything at SIGTERM, rather than leaving the pins for a successor. */
  readonly cleanupOnExit: boolean
  /** Whether requests, messages and read delays are measured in the kernel, and what tells them apart. */
  readonly measure: 'off' | 'namespaces' | 'pods'
  /** Where slow requests are sent as spans, and how slow they are. */
  readonly otlp?: { readonly url: string; readonly slowRequestMs: number }
  /** Where probes are answered. */
  readonly http?: HttpAddress
}

/** Where pods come from: a file, or the API server, for one node. */
export type PodsOrigin =
  { readonly file: string } | { readonly kubernetesNode: string; readonly criSocket?: string }

export interface HttpAddress {
  readonly host: string
  readonly port: number
}

/** `auto` takes what the self-test finds; the others are for tests. */
export type RequestedPolicy = 'auto' | 'full' | 'strict' | 'proxies-only'

export const requestedPolicies: readonly RequestedPolicy[] = [
  'auto',
  'full',
  'strict',
  'proxies-only',
]

export const defaults: {
  readonly pinDir: string
  readonly socketPath: string
  /** Where the CNI plugin looks for the agent: cni/shim/main.c. */
  readonly cniSocketPath: string
  readonly capBytes: number
  /** How long a drain may wait for the last member to leave. */
  readonly drainTimeoutMs: number
} = {
  pinDir: '/sys/fs/bpf/meshaccel',
  socketPath: '/run/meshaccel/agent.sock',
  cniSocketPath: '/run/meshaccel/cni.sock',
  capBytes: 4 << 20,
  drainTimeoutMs: 30_000,
}
