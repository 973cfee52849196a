/** Runs one scan after another until disposed of. Scans do not overlap. */
export class ScanLoop implements Disposable {
  readonly #scan: () => Promise<number>
  #timer: NodeJS.Timeout | undefined
  #isScanning = false
  #isAskedFor = false
  #disposed = false

  /** `scan` must not reject. It resolves to the pause before the next scan, in ms. */
  constructor(scan: () => Promise<number>) {
    this.#scan = scan
    this.scanNow()
  }

  /** Scans now, or as soon as the current scan has ended. */
  scanNow(): void {
    if (this.#isScanning) this.#isAskedFor = true
    else void this.#run()
  }

  [Symbol.dispose](): void {
    this.#disposed = true
    clearTimeout(this.#timer)
  }

  async #run(): Promise<void> {
    clearTimeout(this.#timer)
    this.#isScanning = true
    const waitMs = await this.#scan()
    this.#isScanning = false
    if (this.#disposed) return
    this.#timer = setTimeout(() => void this.#run(), this.#isAskedFor ? 0 : waitMs)
    this.#isAskedFor = false
  }
}
