import { check, checkPointer } from './error.ts'
import * as ffi from './ffi.ts'
import { Handle } from './handle.ts'
import type { AnyMap } from './map.ts'

/**
 * A consumer of a BPF_MAP_TYPE_RINGBUF map, of which there may be one at a time. `onSample` gets a copy of each
 * record. Keeps working after the map's handle is disposed. Linux 5.8.
 */
export class RingBuffer extends Handle {
  readonly #callback: ffi.Ptr<'sample_fn'>
  readonly #ring: ffi.Ptr<'ring_buffer'>
  #poll: { close(): void } | undefined
  #consuming = false
  #failure: { error: unknown } | undefined

  /** Throws EINVAL when the map is no ring buffer. */
  constructor(map: AnyMap, onSample: (sample: Buffer) => void) {
    super(`ring buffer ${map.name}`)
    const fd = map.fd
    this.#callback = ffi.registerSample((_context, data, size) => {
      try {
        const sample = Buffer.allocUnsafe(Number(size))
        ffi.copyFrom(sample, data, sample.length)
        onSample(sample)
      } catch (error) {
        // An exception must not cross the C frames: stop here, `consume` throws it.
        this.#failure = { error }
        return -1
      }
      return this.disposed ? -1 : 0
    })
    try {
      this.#ring = checkPointer(`open ${this.what}`, () =>
        ffi.ring_buffer__new(fd, this.#callback, null, null),
      )
    } catch (error) {
      ffi.unregister(this.#callback)
      throw error
    }
  }

  /** Hands over what is there, without waiting; returns how many records. Throws what `onSample` threw. */
  consume(): number {
    this.assertLive()
    this.#consuming = true
    let count
    try {
      count = ffi.ring_buffer__consume(this.#ring)
    } finally {
      this.#consuming = false
      if (this.disposed) this.#free()
    }
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure.error
    if (this.disposed) return 0
    return check(`consume ${this.what}`, () => count)
  }

  /** Consumes whenever the kernel says that there is something, until disposed. Does not keep the process alive. */
  watch(onError: (error: unknown) => void): void {
    this.assertLive()
    this.#poll ??= ffi.pollReadable(ffi.ring_buffer__epoll_fd(this.#ring), () => {
      if (this.disposed) return
      try {
        this.consume()
      } catch (error) {
        onError(error)
      }
    })
  }

  protected override release(): void {
    this.#poll?.close()
    // Disposed by its own onSample: libbpf is still walking the ring, and `consume` frees it afterwards.
    if (!this.#consuming) this.#free()
  }

  #free(): void {
    ffi.ring_buffer__free(this.#ring)
    ffi.unregister(this.#callback)
  }
}
