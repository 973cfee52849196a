import { connect, type Socket } from 'node:net'

/** A TCP connection that is read by length or line, for protocols that need no more. */
export class Wire {
  readonly #socket: Socket
  #chunks: Buffer[] = []
  #length = 0
  #error: Error | undefined
  #wake: () => void = () => {}

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk)
      this.#length += chunk.length
      this.#wake()
    })
    const fail = (error: Error): void => {
      this.#error ??= error
      this.#wake()
    }
    socket.on('error', fail)
    socket.on('end', () => fail(new Error('the other side has ended the connection')))
  }

  static open(host: string, port: number): Promise<Wire> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port, noDelay: true }, () => resolve(new Wire(socket)))
      socket.once('error', reject)
    })
  }

  write(bytes: Buffer | string): void {
    this.#socket.write(bytes)
  }

  /** Reads exactly this many bytes. */
  async read(length: number): Promise<Buffer> {
    while (this.#length < length) await this.#more()
    const all = Buffer.concat(this.#chunks)
    this.#keep(all.subarray(length))
    return all.subarray(0, length)
  }

  /** Reads up to the mark and removes the mark. */
  async readUntil(mark: string): Promise<string> {
    for (;;) {
      const all = Buffer.concat(this.#chunks)
      const at = all.indexOf(mark)
      this.#keep(at < 0 ? all : all.subarray(at + mark.length))
      if (at >= 0) return all.toString('latin1', 0, at)
      await this.#more()
    }
  }

  close(): void {
    this.#socket.destroy()
  }

  #keep(rest: Buffer): void {
    this.#chunks = rest.length > 0 ? [rest] : []
    this.#length = rest.length
  }

  #more(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#error) return reject(this.#error)
      this.#wake = () => {
        this.#wake = () => {}
        if (this.#error) reject(this.#error)
        else resolve()
      }
    })
  }
}
