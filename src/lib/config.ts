/** The agent's settings from its command line. */
export interface AgentConfig {
  readonly pods: PodsOrigin
  /** The cgroup v2 directory whose connections are watched; by default the root of the hierarchy. */
  readonly cgroupPath?: string | undefined
  /** The bpffs directory of the pins. */
  readonly pinDir: string
  /** The BTF file, or the folder of such files, to fit the programs to; by default the kernel's own types. */
  readonly btf?: string | undefined
  readonly socketPath: string
  /** Whether a pod without the `enabled` setting is enrolled. */
  readonly defaultEnabled: boolean
  /** The limit of redirected and unread bytes in one direction. */
  readonly capBytes: number
  /** Kernel memory for a pod's redirected and unread messages; by default a share of the machine's memory. */
  readonly podMemoryBytes?: number | undefined
  readonly policy: RequestedPolicy
  /** Whether SIGTERM drains and removes everything, instead of leaving the pins for a successor. */
  readonly cleanupOnExit: boolean
  /** Whether the kernel measures requests, messages and read delays, and by which labels. */
  readonly measure: 'off' | 'namespaces' | 'pods'
  /** One slice of time in this many is measured, a power of two. */
  readonly measureOneIn: number
  /** The limit of the guard in percent for pods without a setting; 0: no guard. */
  readonly guardPercent: number
  /** The collector that gets slow requests as spans, and the threshold for "slow". */
  readonly otlp?: { readonly url: string; readonly slowRequestMs: number }
  /** The address for probes and metrics. */
  readonly http?: HttpAddress
}

/** The source of pods: a file, or the API server for one node. */
export type PodsOrigin =
  { readonly file: string } | { readonly kubernetesNode: string; readonly criSocket?: string }

export interface HttpAddress {
  readonly host: string
  readonly port: number
}

/** `auto` takes the self-test's result. The others are for tests. */
export type RequestedPolicy = 'auto' | 'full' | 'strict' | 'proxies-only'

export const requestedPolicies: readonly RequestedPolicy[] = [
  'auto',
  'full',
  'strict',
  'proxies-only',
]

export const defaults: {
  readonly pinDir: string
  /** The folder of BTF files: btf-choice.ts. */
  readonly btfDir: string
  readonly socketPath: string
  /** The socket where the CNI plugin looks for the agent: cni/shim/main.c. */
  readonly cniSocketPath: string
  readonly capBytes: number
  readonly measureOneIn: number
  /** How long a drain may wait until the last member has left. */
  readonly drainTimeoutMs: number
} = {
  pinDir: '/sys/fs/bpf/meshaccel',
  btfDir: '/var/lib/meshaccel/btf',
  socketPath: '/run/meshaccel/agent.sock',
  cniSocketPath: '/run/meshaccel/cni.sock',
  capBytes: 4 << 20,
  measureOneIn: 16,
  drainTimeoutMs: 30_000,
}
