// Generated from BTF, by
//     bpf2ts build/bpf/layout.bpf.o --enum reason event_kind conn_state flow_path role
//       measured_path histogram group
// Do not edit it: change the C source, build the object and run the command again.

/** enum reason: its constants without REASON_, each at its value. */
export const reasonNames = [
  'none',
  'leaving',
  'undrained',
  'blocked-reader',
  'cap-bytes',
  'cap-messages',
  'tcp-memory',
  'memory-budget',
  'rcvlowat',
  'state',
  'drained-off',
  'agent-stale',
  'peer-gone',
  'unknown-reader',
  'stream',
  'tcp-unread',
  'pod-disabled',
  'excluded',
  'reader-changed',
  'join-timeout',
  'half-closed',
  'reader-holds-lock',
  'blocking-reader',
  'claimed-elsewhere',
  'reset',
  'short',
  'remote-peer',
  'mptcp',
  'ulp',
  'zerocopy',
  'socket-option',
  'self-connect',
  'second-claim',
  'forged-handshake',
  'table-full',
  'busy',
  'peer-unproven',
  'unseen',
  'waitall',
  'truncated-read',
  'peeks',
  'unaccounted',
  'splice',
  'asks-fionread',
  'quarantined',
  'stuck',
  'overtaken',
] as const
export type Reason = (typeof reasonNames)[number]

/** enum event_kind: its constants without EVENT_, each at its value. */
export const eventKindNames = [
  'quarantined',
  'reset',
  'slow-read',
  'slow-request',
  'fallback',
  'refused',
  'watch-splice',
] as const
export type EventKind = (typeof eventKindNames)[number]

/** enum conn_state: its constants without CONN_, each at its value. */
export const connStateNames = [
  'free',
  'watched',
  'joining',
  'joined',
  'stopping',
  'sealed',
] as const
export type ConnState = (typeof connStateNames)[number]

/** enum flow_path: its constants without PATH_, each at its value. */
export const flowPathNames = ['tcp', 'redirect', 'mixed'] as const
export type FlowPath = (typeof flowPathNames)[number]

/** enum role: its constants without ROLE_, each at its value. */
export const roleNames = ['client', 'server'] as const
export type Role = (typeof roleNames)[number]

/** enum measured_path: its constants without MEASURED_, each at its value. */
export const measuredPathNames = ['tcp', 'redirect'] as const
export type MeasuredPath = (typeof measuredPathNames)[number]

/** enum histogram: its constants. */
export const histogramValues = {
  'trial-step-bits': 4,
  'size-first-bits': 6,
  'time-first-bits': 10,
  'size-buckets': 16,
  'time-buckets': 26,
  'trial-buckets': 384,
} as const
export type Histogram = keyof typeof histogramValues

/** enum group: its constants without GROUP_. */
export const groupValues = {
  unknown: 0,
  other: 4294967295,
} as const
export type Group = keyof typeof groupValues
