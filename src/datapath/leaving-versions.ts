import type { Log } from '../log.ts'
import { removeVersion } from './pin-directory.ts'
import { Pins } from './programs.ts'
import { drainOnce } from './scans.ts'

const LOOK_INTERVAL_MS = 1_000

/** Versions that were set aside: removes each as soon as its last members have been read, until disposed of. */
export class LeavingVersions implements Disposable {
  readonly #pins: Map<string, Pins>
  readonly #log: Log
  readonly #timer: NodeJS.Timeout

  constructor(versions: readonly string[], log: Log) {
    this.#pins = new Map(versions.map((version) => [version, new Pins(version)]))
    this.#log = log
    this.#timer = setInterval(() => this.#look(), LOOK_INTERVAL_MS)
  }

  #look(): void {
    for (const [version, pins] of this.#pins) {
      try {
        if (drainOnce(pins, new Map()) > 0) continue
        pins[Symbol.dispose]()
        this.#pins.delete(version)
        removeVersion(version)
        this.#log.info({ pins: version }, 'the last connections of another version have left')
      } catch (error) {
        this.#log.error({ err: error, pins: version }, 'cannot drain another version')
      }
    }
    if (this.#pins.size === 0) clearInterval(this.#timer)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    for (const pins of this.#pins.values()) pins[Symbol.dispose]()
    this.#pins.clear()
  }
}
