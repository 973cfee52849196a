import { basename, dirname, join } from 'node:path'
import { defaults, type PodsOrigin } from '../lib/config.ts'
import type { ExplainedError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { ObservedPod } from '../pods/observed-pod.ts'
import type { Reconciler } from '../reconcile/reconciler.ts'
import { CniServer } from '../sources/cni/server.ts'
import { FileSource } from '../sources/file/source.ts'
import type { PodSource, SourceListener } from '../sources/source.ts'

/** Opens the configured source. Throws if the source can certainly never report anything. */
export async function openSource(origin: PodsOrigin, log: Log): Promise<PodSource> {
  if ('file' in origin) return new FileSource(origin.file)
  // Imported on demand: it takes 15 MiB of memory, which an agent with a pods file does not need.
  const { openKubernetesSource } = await import('../sources/kubernetes/open.ts')
  return openKubernetesSource(origin, log)
}

/** Serves the CNI plugin's calls in the control socket's directory, if the source uses them. */
export async function listenToCni(
  { sandboxes }: PodSource,
  controlSocketPath: string,
  log: Log,
): Promise<CniServer | undefined> {
  if (!sandboxes) return undefined
  const socketPath = join(dirname(controlSocketPath), basename(defaults.cniSocketPath))
  return CniServer.listen(
    socketPath,
    {
      added: (sandbox) => sandboxes.announce(sandbox),
      removed: (containerId) => sandboxes.forget((id) => id === containerId),
      retained: (containerIds) => sandboxes.forget((id) => !containerIds.has(id)),
    },
    log,
  )
}

/** Passes a source's reports to the reconciler and remembers the source's state. */
export class SourceFollower implements SourceListener {
  readonly name: PodSource['name']
  readonly #reconciler: Reconciler
  readonly #log: Log
  readonly #onSynced: () => void
  #synced = false
  #error: ExplainedError | undefined

  constructor(source: PodSource, reconciler: Reconciler, log: Log, onSynced: () => void) {
    this.name = source.name
    this.#reconciler = reconciler
    this.#log = log
    this.#onSynced = onSynced
  }

  /** Whether the source has reported all its pods once, and the reconciler has handled them. */
  get synced(): boolean {
    return this.#synced
  }

  /** Why the source cannot report its pods now. The last ones stay valid. */
  get error(): string | undefined {
    return this.#error?.message
  }

  async pods(pods: readonly ObservedPod[]): Promise<void> {
    if (this.name === 'file') this.recovered()
    this.#log.debug({ source: this.name, pods: pods.length }, 'pods told')
    await this.#reconciler.update(pods)
    if (this.#synced) return
    this.#synced = true
    this.#log.info({ source: this.name, pods: pods.length }, 'in step with its pods')
    this.#onSynced()
  }

  failed(error: ExplainedError): void {
    this.#error = error
    const stays = this.#synced ? 'the last good one stays' : 'not in step with its pods yet'
    this.#log.error({ err: error.message, hint: error.hint }, `${this.name}: ${stays}`)
  }

  recovered(): void {
    this.#error = undefined
  }
}
