import { readFileSync, statSync, watch, type FSWatcher } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { errnoOf, messageOf } from '../errno.ts'
import type { ObservedPod } from '../observed-pod.ts'
import { PodsFileError } from './pods-file-error.ts'
import { parsePodsFile } from './pods-file.ts'

/** What a source tells: all its pods each time, or why it cannot tell them; then the last ones stay true. */
export interface SourceListener {
  pods(pods: readonly ObservedPod[]): void
  failed(error: PodsFileError): void
}

/** How long a change may rest before it is read: an editor truncates, then writes. */
const settleMs = 30
/** The fallback for what inotify does not report: network file systems, a replaced directory, no watches left. */
const pollMs = 400

/** A pods file, read now and whenever it changes. */
export class FileSource implements Disposable {
  readonly path: string
  #listener: SourceListener | undefined
  #watcher: FSWatcher | undefined
  #poll: NodeJS.Timeout | undefined
  #settling: NodeJS.Timeout | undefined
  #signature = ''

  constructor(path: string) {
    this.path = resolve(path)
  }

  /** Reads the file. Throws a PodsFileError when it is missing or wrong. */
  read(): ObservedPod[] {
    this.#signature = this.#look()
    let bytes
    try {
      bytes = readFileSync(this.path)
    } catch (error) {
      throw unreadable(this.path, error)
    }
    let text
    try {
      text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    } catch (error) {
      throw new PodsFileError(this.path, undefined, 'not UTF-8 text', { cause: error })
    }
    return parsePodsFile(text, this.path)
  }

  /** From now on tells the listener of every change since the last `read()`. */
  watch(listener: SourceListener): void {
    this.#listener = listener
    // The directory, because editors and Kubernetes replace a file by renaming another one over it.
    try {
      this.#watcher = watch(dirname(this.path), { persistent: false }, () => this.#settle())
      this.#watcher.on('error', () => this.#watcher?.close())
    } catch {
      // The poll sees everything a little later.
    }
    this.#poll = setInterval(() => this.#check(), pollMs).unref()
    this.#settle()
  }

  [Symbol.dispose](): void {
    this.#listener = undefined
    this.#watcher?.close()
    clearInterval(this.#poll)
    clearTimeout(this.#settling)
  }

  #settle(): void {
    clearTimeout(this.#settling)
    this.#settling = setTimeout(() => this.#check(), settleMs).unref()
  }

  #check(): void {
    const listener = this.#listener
    if (!listener || this.#look() === this.#signature) return
    let pods
    try {
      pods = this.read()
    } catch (error) {
      if (!(error instanceof PodsFileError)) throw error
      listener.failed(error)
      return
    }
    listener.pods(pods)
  }

  /** What tells one state of the file from another without reading it. */
  #look(): string {
    try {
      const { dev, ino, size, mtimeNs, ctimeNs } = statSync(this.path, { bigint: true })
      return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`
    } catch (error) {
      return `unreadable: ${errnoOf(error)}`
    }
  }
}

function unreadable(path: string, error: unknown): PodsFileError {
  const reasons: Record<string, string> = {
    ENOENT: 'no such file',
    EISDIR: 'is a directory',
    EACCES: 'permission denied',
  }
  return new PodsFileError(path, undefined, reasons[errnoOf(error) ?? ''] ?? messageOf(error), {
    cause: error,
    hint: 'Write one; docs and `meshaccel agent --help` show what it looks like.',
  })
}
