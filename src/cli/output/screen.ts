import type { Output } from '../environment.ts'

const escape = '\u001B['
/** Switches to the alternate screen and turns the cursor and wrapping off. */
const enter = `${escape}?1049h${escape}?25l${escape}?7l`
const leave = `${escape}?7h${escape}?25h${escape}?1049l`
const home = `${escape}H`
const eraseLine = `${escape}K`
const eraseBelow = `${escape}J`

/** Takes over the whole terminal until disposed of. Then the previous content returns, however the process ends. */
export class Screen implements Disposable {
  readonly #output: Output
  readonly #restore = (): void => void this.#output.write(leave)

  constructor(output: Output) {
    this.#output = output
    process.once('exit', this.#restore)
    output.write(enter)
  }

  get rows(): number {
    return this.#output.rows ?? 24
  }

  get columns(): number {
    return this.#output.columns ?? 80
  }

  /** Shows the lines that fit. It overwrites instead of erasing, so that nothing flickers. */
  draw(lines: readonly string[]): void {
    const shown = lines.slice(0, this.rows).map((line) => line + eraseLine)
    this.#output.write(home + shown.join('\r\n') + eraseBelow)
  }

  [Symbol.dispose](): void {
    process.off('exit', this.#restore)
    this.#restore()
  }
}
