import { createHash } from 'node:crypto'
import type { Log } from '../lib/log.ts'
import { Cache, type CacheBounds } from './cache.ts'
import type { Compiled, Compiler } from './compiler.ts'
import { checkRequest, type Job, type Machine } from './request.ts'
import type { Slots } from './slots.ts'
import type { CompileRequest, CompileResponse } from './wire.ts'

/** The client of a request, for the log. */
export interface Client {
  readonly peer: string
  readonly name: string
}

/** Answers requests: from the cache, from a compilation that runs already, or by a new one. */
export class Service {
  readonly #compiler: Pick<Compiler, 'compile'>
  readonly #slots: Slots
  readonly #machine: Machine
  readonly #log: Log
  readonly #cache: Cache<Compiled>
  readonly #running = new Map<string, Promise<Compiled>>()

  constructor(
    compiler: Pick<Compiler, 'compile'>,
    slots: Slots,
    bounds: CacheBounds,
    machine: Machine,
    log: Log,
  ) {
    this.#compiler = compiler
    this.#slots = slots
    this.#cache = new Cache(bounds)
    this.#machine = machine
    this.#log = log
  }

  async compile(request: CompileRequest, client: Client): Promise<CompileResponse> {
    const startMs = performance.now()
    const job = checkRequest(request, this.#machine)
    const key = keyOf(job)
    const known = this.#cache.get(key)
    const { response } = known ?? (await this.#once(key, job))
    const { ok, object, notes } = response
    const ms = Math.round(performance.now() - startMs)
    const what = 'object' in job.input ? job.input.object : job.input.file.name
    const { machine, release } = job
    const facts = { what, machine, release, ok, objectBytes: object.length, notes, ms }
    this.#log.info({ client, ...facts, cached: known !== undefined }, 'compiled')
    return { ...response, cached: known !== undefined }
  }

  /** Requests that are the same wait for one compilation. */
  #once(key: string, job: Job): Promise<Compiled> {
    const running = this.#running.get(key)
    if (running) return running
    const compiled = this.#slots
      .run((slot) => this.#compiler.compile(job, slot))
      .then((result) => {
        if (result.lasting) this.#cache.set(key, result, sizeOf(result))
        return result
      })
      .finally(() => this.#running.delete(key))
    this.#running.set(key, compiled)
    return compiled
  }
}

/** Each part has its length before it, so that no two jobs have the same text. */
function keyOf({ input, machine, release, btf }: Job): string {
  const hash = createHash('sha256')
  const add = (part: string | Uint8Array): void => {
    hash.update(`${part.length}:`).update(part)
  }
  add(machine)
  add(release ?? '')
  add(btf ?? '')
  if ('object' in input) {
    add('object')
    add(input.object)
  } else {
    add('source')
    for (const { name, content } of [input.file, ...input.headers]) {
      add(name)
      add(content)
    }
  }
  return hash.digest('base64')
}

function sizeOf({ response }: Compiled): number {
  const { object, btf, types, diagnostics } = response
  return 1024 + object.length + btf.length + 2 * (types.length + diagnostics.length)
}
