import type { Log } from '../lib/log.ts'
import { Walks } from './netns/walks.ts'
import { isLeaving, pinnedVersions, removeVersion } from './pins/pin-directory.ts'
import { Pins } from './pins/programs.ts'
import { Scans } from './loop/scans.ts'

const LOOK_INTERVAL_MS = 1_000

/**
 * Versions that were set aside. Removes each version as soon as its last members have been drained, until disposed of.
 */
export class LeavingVersions implements Disposable {
  readonly #versions: Map<string, { readonly pins: Pins; readonly scans: Scans }>
  readonly #log: Log
  #timer: NodeJS.Timeout | undefined
  #disposed = false

  constructor(versions: readonly string[], walks: Walks, log: Log) {
    const netnsPaths = new Map()
    this.#versions = new Map(
      versions.map((version) => {
        const pins = new Pins(version)
        return [version, { pins, scans: new Scans({ pins, walks, netnsPaths }) }]
      }),
    )
    this.#log = log
    this.#plan()
  }

  #plan(): void {
    if (this.#versions.size === 0 || this.#disposed) return
    this.#timer = setTimeout(() => void this.#look(), LOOK_INTERVAL_MS)
  }

  async #look(): Promise<void> {
    for (const [version, { scans }] of this.#versions) {
      try {
        const { members, unkicked } = await scans.drainOnce()
        if (members > 0 || unkicked.length > 0) continue
        this.#forget(version)
        removeVersion(version)
        this.#log.info({ pins: version }, 'the last connections of another version have left')
      } catch (error) {
        if (this.#disposed) return
        this.#log.error({ err: error, pins: version }, 'cannot drain another version')
      }
    }
    this.#plan()
  }

  #forget(version: string): void {
    const { pins, scans } = this.#versions.get(version) ?? {}
    scans?.[Symbol.dispose]()
    pins?.[Symbol.dispose]()
    this.#versions.delete(version)
  }

  [Symbol.dispose](): void {
    this.#disposed = true
    clearTimeout(this.#timer)
    for (const version of this.#versions.keys()) this.#forget(version)
  }
}

/** Drains the versions that were set aside, for a data path that attaches none of its own. */
export function drainLeaving(pinDir: string, log: Log): Disposable {
  const walks = new Walks({ log })
  const others = new LeavingVersions(pinnedVersions(pinDir).filter(isLeaving), walks, log)
  return {
    [Symbol.dispose]: () => {
      others[Symbol.dispose]()
      walks[Symbol.dispose]()
    },
  }
}
