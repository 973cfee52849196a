import { KubeConfig } from '@kubernetes/client-node'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Duplex } from 'node:stream'
import type { KubeObject } from '../../src/sources/kubernetes/pod-facts.ts'

export type Kind = 'pods' | 'namespaces'

interface Change {
  readonly kind: Kind
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly version: number
  readonly object: KubeObject
}

/** An unexpected answer. `raw`: not even a Status object. */
export interface Failure {
  readonly status: number
  readonly message: string
  readonly raw?: true
}

/** A server's TLS identity, in PEM. */
export interface Identity {
  readonly key: string
  readonly cert: string
}

interface Watcher {
  readonly kind: Kind
  readonly selector: string | null
  readonly response: ServerResponse
}

/** An Event that the agent wrote. */
export interface WrittenEvent {
  readonly metadata: { readonly name: string; readonly namespace: string }
  readonly involvedObject: {
    readonly kind: string
    readonly namespace: string
    readonly name: string
  }
  readonly type: string
  readonly reason: string
  readonly message: string
}

/** A request, for a test that answers it itself. */
export interface RoutedRequest {
  readonly method: string
  readonly url: URL
  readonly body: string | undefined
}

/** A fake API server for pods and namespaces over HTTP. It can show faults that are rare on real ones. */
export class FakeKubeApi implements AsyncDisposable {
  #server: Server | undefined
  #port = 0
  readonly #objects = {
    pods: new Map<string, KubeObject>(),
    namespaces: new Map<string, KubeObject>(),
  }
  #version = 100
  /** The changes that watches can resume from. Earlier ones are forgotten. */
  #history: Change[] = []
  #compactedTo = 0
  readonly #watchers = new Set<Watcher>()
  readonly #upgraded = new Set<Duplex>()
  /** Snapshots for the pages of a list, by continue token. */
  readonly #snapshots = new Map<
    string,
    { readonly items: KubeObject[]; readonly version: number }
  >()
  /** The list and watch requests in order, such as `GET /api/v1/pods?limit=…`. */
  readonly requests: {
    readonly url: URL
    readonly accept: string
    readonly authorization: string
  }[] = []
  readonly events: WrittenEvent[] = []
  /** The number of changes that were sent to watches. */
  told = 0
  /** Answers for requests whose path starts with the key. */
  readonly failures: Map<string, Failure> = new Map<string, Failure>()
  /** If set, changes are kept here instead of being sent, until `release()`. */
  held: Change[] | undefined
  /** If set, handles requests before all other code. */
  route:
    ((request: RoutedRequest) => { status: number; body: object | string } | undefined) | undefined
  /** If set, gets the requests for another protocol. */
  upgrade: ((request: IncomingMessage, socket: Duplex) => void) | undefined
  /** If true, does not support PartialObjectMetadata, like Kubernetes before 1.15. */
  old = false
  /** The number of requests for a list's next page that get "expired". */
  expiredPages = 0
  /** If true, an expired watch gets the HTTP status 410 instead of an ERROR event. */
  goneByStatus = false
  /** If true, ends each watch at once. */
  endsWatches = false
  readonly #identity: Identity | undefined

  private constructor(identity?: Identity) {
    this.#identity = identity
  }

  /** Uses TLS if there is an identity. */
  static async start(identity?: Identity): Promise<FakeKubeApi> {
    const api = new FakeKubeApi(identity)
    await api.up()
    return api
  }

  /** Listens at the same port as before. */
  async up(): Promise<void> {
    const answer = (request: IncomingMessage, response: ServerResponse): void =>
      void this.#answer(request, response)
    const server = this.#identity
      ? createTlsServer({ ...this.#identity }, answer)
      : createServer(answer)
    server.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
      this.#upgraded.add(socket)
      if (this.upgrade) this.upgrade(request, socket)
      else socket.destroy()
    })
    server.listen(this.#port, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (typeof address === 'object' && address !== null) this.#port = address.port
    this.#server = server
  }

  /** Stops listening and cuts every connection. */
  async down(): Promise<void> {
    const server = this.#server
    if (!server) return
    this.#server = undefined
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    // The server does not count these any more.
    for (const socket of this.#upgraded) socket.destroy()
    this.#upgraded.clear()
    this.#watchers.clear()
    await closed
  }

  get url(): string {
    return `${this.#identity ? 'https' : 'http'}://127.0.0.1:${this.#port}`
  }

  get config(): KubeConfig {
    const config = new KubeConfig()
    const caData = this.#identity && Buffer.from(this.#identity.cert).toString('base64')
    config.loadFromClusterAndUser(
      { name: 'fake', server: this.url, skipTLSVerify: !caData, ...(caData ? { caData } : {}) },
      { name: 'agent', token: 'secret' },
    )
    return config
  }

  get watching(): number {
    return this.#watchers.size
  }

  set(kind: Kind, object: KubeObject): void {
    const key = keyOf(object)
    const type = this.#objects[kind].has(key) ? 'MODIFIED' : 'ADDED'
    this.#version += 1
    const versioned = withVersion(object, this.#version)
    this.#objects[kind].set(key, versioned)
    this.#publish({ kind, type, version: this.#version, object: versioned })
  }

  delete(kind: Kind, key: string): void {
    const object = this.#objects[kind].get(key)
    if (!object) return
    this.#objects[kind].delete(key)
    this.#version += 1
    const versioned = withVersion(object, this.#version)
    this.#publish({ kind, type: 'DELETED', version: this.#version, object: versioned })
  }

  objects(kind: Kind): KubeObject[] {
    return [...this.#objects[kind].values()]
  }

  /** Sends the held changes to all watches, in the order of `arrange`. */
  release(arrange: (changes: readonly Change[]) => readonly Change[] = (changes) => changes): void {
    const held = this.held ?? []
    this.held = undefined
    for (const change of arrange(held)) this.#send(change)
  }

  /** Sends a line to every watch that no real server would send. */
  babble(line: string): void {
    for (const { response } of this.#watchers) response.write(`${line}\n`)
  }

  bookmark(): void {
    for (const { kind, response } of this.#watchers) {
      write(response, 'BOOKMARK', { kind, metadata: { resourceVersion: String(this.#version) } })
    }
  }

  /** Ends watches as servers do after a while. Earlier changes still arrive. */
  finish(): void {
    for (const { response } of this.#watchers) response.end()
    this.#watchers.clear()
  }

  /** Cuts the connections of watches at once. */
  disconnect(): void {
    for (const { response } of this.#watchers) response.destroy()
    this.#watchers.clear()
  }

  /** Forgets all earlier versions. A client that resumes from one gets 410. */
  forget(): void {
    this.#compactedTo = this.#version
    this.#history = []
    this.#snapshots.clear()
  }

  /** Like `forget`, and open watches get an ERROR event. */
  compact(): void {
    this.forget()
    for (const { response } of this.#watchers) {
      write(response, 'ERROR', { kind: 'Status', code: 410, message: 'too old resource version' })
      response.end()
    }
    this.#watchers.clear()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down()
  }

  #publish(change: Change): void {
    this.#history.push(change)
    if (this.held) this.held.push(change)
    else this.#send(change)
  }

  #send({ kind, type, object }: Change): void {
    for (const watcher of this.#watchers) {
      if (watcher.kind === kind && selects(watcher.selector, object)) {
        this.told += 1
        write(watcher.response, type, this.#shown(kind, object))
      }
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', this.url)
    const { accept = '', authorization = '' } = request.headers
    this.requests.push({ url, accept, authorization })
    const failure = [...this.failures].find(([path]) => url.pathname.startsWith(path))?.[1]
    if (failure) return fail(response, failure)
    const { method = '' } = request
    const body = this.route && method === 'POST' ? await bodyOf(request) : undefined
    const routed = this.route?.({ method, url, body })
    if (routed) {
      const { status: code, body: answer } = routed
      response.writeHead(code, {
        'Content-Type': typeof answer === 'string' ? 'text/plain' : 'application/json',
      })
      response.end(typeof answer === 'string' ? answer : JSON.stringify(answer))
      return
    }
    if (request.method === 'POST') return this.#create(request, response)
    const kind = url.pathname.slice('/api/v1/'.length)
    if (kind !== 'pods' && kind !== 'namespaces') return status(response, 404, 'not found')
    if (this.old && accept.includes('as=PartialObjectMetadata')) {
      return status(response, 406, 'only application/json')
    }
    if (url.searchParams.has('watch')) this.#watch(kind, url, response)
    else this.#list(kind, url, response)
  }

  async #create(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const event: WrittenEvent = JSON.parse(await bodyOf(request))
    if (this.events.some(({ metadata }) => metadata.name === event.metadata.name)) {
      status(response, 409, 'already exists')
      return
    }
    this.events.push(event)
    json(response, 201, event)
  }

  #list(kind: Kind, url: URL, response: ServerResponse): void {
    const limit = Number(url.searchParams.get('limit') ?? Infinity)
    const [token, offset = '0'] = (url.searchParams.get('continue') ?? '').split('@')
    const snapshot = token
      ? this.#snapshots.get(token)
      : {
          version: this.#version,
          items: this.objects(kind).filter((object) =>
            selects(url.searchParams.get('fieldSelector'), object),
          ),
        }
    if (!snapshot || (token && this.expiredPages > 0)) {
      this.expiredPages -= 1
      return status(response, 410, 'the provided continue parameter is too old')
    }
    const start = Number(offset)
    const end = Math.min(snapshot.items.length, start + limit)
    const name = token || `snapshot-${kind}-${snapshot.version}`
    this.#snapshots.set(name, snapshot)
    json(response, 200, {
      metadata: {
        resourceVersion: String(snapshot.version),
        ...(end < snapshot.items.length ? { continue: `${name}@${end}` } : {}),
      },
      items: snapshot.items.slice(start, end).map((object) => this.#shown(kind, object)),
    })
  }

  #watch(kind: Kind, url: URL, response: ServerResponse): void {
    const from = Number(url.searchParams.get('resourceVersion'))
    if (this.goneByStatus && from < this.#compactedTo) {
      return status(response, 410, 'too old resource version')
    }
    response.writeHead(200, { 'Content-Type': 'application/json' })
    response.flushHeaders()
    if (this.endsWatches) return void response.end()
    if (from < this.#compactedTo) {
      write(response, 'ERROR', { kind: 'Status', code: 410, message: 'too old resource version' })
      response.end()
      return
    }
    const watcher = { kind, selector: url.searchParams.get('fieldSelector'), response }
    for (const change of this.#history) {
      const isNews = change.kind === kind && change.version > from && !this.held?.includes(change)
      if (isNews && selects(watcher.selector, change.object)) {
        write(response, change.type, this.#shown(kind, change.object))
      }
    }
    this.#watchers.add(watcher)
    response.on('close', () => this.#watchers.delete(watcher))
  }

  #shown(kind: Kind, { metadata, ...rest }: KubeObject): object {
    return kind === 'namespaces' ? { metadata } : { metadata, ...rest }
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

function selects(selector: string | null, object: KubeObject): boolean {
  const node = selector?.slice('spec.nodeName='.length)
  if (node === undefined) return true
  const { spec } = object
  return spec !== undefined && 'nodeName' in spec && spec.nodeName === node
}

function keyOf({ metadata }: KubeObject): string {
  return `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`
}

function withVersion(object: KubeObject, version: number): KubeObject {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } }
}

function write(response: ServerResponse, type: string, object: object): void {
  response.write(`${JSON.stringify({ type, object })}\n`)
}

function json(response: ServerResponse, code: number, body: object): void {
  response.writeHead(code, { 'Content-Type': 'application/json' })
  response.end(JSON.stringify(body))
}

function fail(response: ServerResponse, { status: code, message, raw }: Failure): void {
  if (!raw) return status(response, code, message)
  response.writeHead(code, { 'Content-Type': 'text/html' })
  response.end(message)
}

function status(response: ServerResponse, code: number, message: string): void {
  json(response, code, { kind: 'Status', status: 'Failure', code, message })
}
