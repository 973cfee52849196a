import type { Keyboard } from './environment.ts'

/** The bytes of Ctrl-C and Ctrl-D on a terminal in raw mode. */
const interrupts = ['\u0003', '\u0004']

/** Hands over each key that is typed, Ctrl-C and Ctrl-D as `q`, until it is disposed of. */
export class Keys implements Disposable {
  readonly #keyboard: Keyboard
  readonly #listener: (keys: Buffer) => void

  constructor(keyboard: Keyboard, typed: (key: string) => void) {
    this.#keyboard = keyboard
    this.#listener = (keys) => {
      for (const key of keys.toString('latin1')) typed(interrupts.includes(key) ? 'q' : key)
    }
  }

  /** Without a terminal to type at nothing is ever typed. */
  listen(): void {
    if (this.#keyboard.isTTY !== true) return
    this.#keyboard.setRawMode(true)
    this.#keyboard.on('data', this.#listener)
  }

  [Symbol.dispose](): void {
    if (this.#keyboard.isTTY !== true) return
    this.#keyboard.off('data', this.#listener)
    this.#keyboard.setRawMode(false)
    this.#keyboard.pause()
  }
}
