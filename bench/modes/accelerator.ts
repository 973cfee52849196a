/** The accelerator that a mode adds to the unchanged mesh. */
export interface Accelerator {
  /** Its programs in the kernel. */
  readonly programs?: { readonly verdict: ProgramId; readonly pairing: ProgramId }
  /** Waits until the live connections are accelerated, or for `atMostMs`, and reads the counters. */
  settled?(atMostMs: number): Promise<PathBytes>
  /** Reads the counters. */
  bytes?(): Promise<PathBytes>
  /** Throws if a connection is accelerated that must not be. */
  check?(): Promise<void>
}

/** Bytes so far, by path. */
export interface PathBytes {
  readonly redirected: number
  readonly tcp: number
}

/** The kernel's number of a loaded BPF program. */
export type ProgramId = number
