/** Scans again and again, one scan at a time, until disposed of. */
export class ScanLoop implements Disposable {
  readonly #scan: () => Promise<number>
  #timer: NodeJS.Timeout | undefined
  #isScanning = false
  #isAskedFor = false
  #disposed = false

  /** `scan` does not reject; it resolves to how long to wait before the next one, in ms. */
  constructor(scan: () => Promise<number>) {
    this.#scan = scan
    this.scanNow()
  }

  /** Scans now, or as soon as the scan that is under way has ended. */
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
