import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { errnoOf, messageOf } from '../../lib/errno.ts'
import type { ObservedPod } from '../../pods/observed-pod.ts'
import { PodsFileError } from './pods-file-error.ts'
import { parsePodsFile } from './pods-file.ts'
import type { PodSource, SourceListener } from '../source.ts'

/**
 * The polling interval. inotify does not fit: it must watch the directory, because editors and Kubernetes rename a new
 * file over this one. Then every write in that directory wakes the agent; a log file there cost an eighth of a core.
 */
const lookMs = 100

/** A pods file, read at start and after each change. */
export class FileSource implements PodSource {
  readonly name = 'file'
  readonly path: string
  #listener: SourceListener | undefined
  #timer: NodeJS.Timeout | undefined
  /** The signature of the state that was read, and that of the last poll. */
  #signature = ''
  #seen = ''

  constructor(path: string) {
    this.path = resolve(path)
  }

  /** Reads the file. Throws a PodsFileError if it is missing or wrong. */
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

  /** From now on reports every change since the last `read()` to the listener. */
  watch(listener: SourceListener): void {
    this.#listener = listener
    this.#timer = setInterval(() => this.#check(), lookMs).unref()
    this.#check()
  }

  [Symbol.dispose](): void {
    this.#listener = undefined
    clearInterval(this.#timer)
  }

  #check(): void {
    const listener = this.#listener
    const signature = this.#look()
    // An editor truncates, then writes. So a state is read only if two polls find it.
    const settled = signature === this.#seen
    this.#seen = signature
    if (!listener || !settled || signature === this.#signature) return
    let pods
    try {
      pods = this.read()
    } catch (error) {
      if (!(error instanceof PodsFileError)) throw error
      listener.failed(error)
      return
    }
    void listener.pods(pods)
  }

  /** A signature that identifies a state of the file without reading it. */
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
