import type { RequestedPolicy } from '../config.ts'
import { MeshaccelError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Datapath } from './datapath.ts'

export interface KernelDatapathOptions {
  readonly cgroupPath: string
  readonly pinDir: string
  readonly capBytes: number
  readonly policy: RequestedPolicy
  readonly log: Log
}

/** Loads, attaches and pins, or adopts the pins of an earlier agent. */
export function openKernelDatapath(_options: KernelDatapathOptions): Datapath {
  throw new MeshaccelError('not built yet', { code: 'ENOSYS', operation: 'open the data path' })
}

export interface CleanupOptions {
  readonly pinDir: string
  readonly cgroupPath: string
  readonly timeoutMs: number
}

/** Drains, detaches and unpins what is there, with or without an agent. Idempotent. */
export function cleanupKernelDatapath(_options: CleanupOptions): Promise<void> {
  throw new MeshaccelError('not built yet', { code: 'ENOSYS', operation: 'clean up' })
}
