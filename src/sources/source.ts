import type { ExplainedError } from '../lib/errors.ts'
import type { ObservedPod } from '../pods/observed-pod.ts'
import type { AnnouncedSandbox } from './netns/search.ts'

/** Receives a source's reports: all its pods each time, or an error. After an error the last pods stay valid. */
export interface SourceListener {
  /** Settles when the pods have been handled. */
  pods(pods: readonly ObservedPod[]): Promise<void> | void
  failed(error: ExplainedError): void
  /** The source works again after a failure, without changes to report. */
  recovered?(): void
}

/** Where pods come from. */
export interface PodSource extends Disposable {
  readonly name: 'file' | 'kubernetes'
  /**
   * Returns every pod if the source knows them at once. Throws if its input is wrong. Returns undefined if `watch()`
   * reports the pods later; until then the caller must not assume that there are none.
   */
  read(): readonly ObservedPod[] | undefined
  /** From now on reports every change since the last `read()` to the listener. */
  watch(listener: SourceListener): void
  /** Warns users of a problem on this node, if the source can. May be called repeatedly. */
  warnOfNode?(reason: string, problem: string): void
  /** The same for all pods of a namespace on this node. */
  warnOfNamespace?(namespace: string, reason: string, problem: string): void
  /** Receives a CNI plugin's sandboxes, if the source uses them. */
  readonly sandboxes?: SandboxListener
}

/** Receives a CNI plugin's sandboxes. */
export interface SandboxListener {
  /** A pod's sandbox is up, and none of its processes runs. Settles when the pod has been handled. */
  announce(sandbox: AnnouncedSandbox): Promise<void>
  /** Forgets sandboxes for which `isGone` returns true. */
  forget(isGone: (containerId: string) => boolean): void
}
