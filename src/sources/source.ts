import type { ExplainedError } from '../lib/errors.ts'
import type { ObservedPod } from '../pods/observed-pod.ts'
import type { AnnouncedSandbox } from './netns/search.ts'

/** What a source tells: all its pods each time, or why it cannot tell them; then the last ones stay true. */
export interface SourceListener {
  /** Settles when they have been acted upon. */
  pods(pods: readonly ObservedPod[]): Promise<void> | void
  failed(error: ExplainedError): void
  /** What failed works again, and has nothing new to tell. */
  recovered?(): void
}

/** Where pods come from. */
export interface PodSource extends Disposable {
  readonly name: 'file' | 'kubernetes'
  /**
   * Every pod, where the source knows them at once: then what is wrong with it throws. Undefined: `watch()` tells them
   * as soon as they are known, and until then nobody may conclude that there are none.
   */
  read(): readonly ObservedPod[] | undefined
  /** From now on tells the listener of every change since the last `read()`. */
  watch(listener: SourceListener): void
  /** Tells users what is wrong on this node, where the source can. May be called again and again. */
  warnOfNode?(reason: string, problem: string): void
  /** Where a CNI plugin hands its sandboxes in, if the source wants them. */
  readonly sandboxes?: SandboxListener
}

/** Whom a CNI plugin's news is for. */
export interface SandboxListener {
  /** A pod's sandbox is up, and none of its processes runs. Settles when the pod has been acted upon. */
  announce(sandbox: AnnouncedSandbox): Promise<void>
  /** Sandboxes for which `isGone` is true are no more. */
  forget(isGone: (containerId: string) => boolean): void
}
