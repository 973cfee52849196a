import { Server, ServerCredentials, status } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { packageRoot } from '../../src/lib/package.ts'

export interface Sandbox {
  readonly id: string
  readonly uid: string
  readonly state?: 'SANDBOX_READY' | 'SANDBOX_NOTREADY'
  readonly createdAt?: string
  readonly info?: object
}

interface Request {
  readonly filter?: {
    readonly state?: { readonly state: string }
    readonly labelSelector: Readonly<Record<string, string>>
  }
  readonly podSandboxId?: string
  readonly verbose?: boolean
}

type Answer = (error: { code: number; details: string } | null, response?: object) => void

/** A fake container runtime on a Unix socket. */
export class FakeRuntime {
  sandboxes: Sandbox[] = []
  /** The calls in order: `list`, `list UID`, `status ID`. */
  readonly calls: string[] = []
  readonly directory: string = mkdtempSync(join(tmpdir(), 'meshaccel-test-'))
  readonly socket: string = join(this.directory, 'cri.sock')
  readonly #server = new Server()

  async start(service = 'runtime.v1.RuntimeService'): Promise<void> {
    const loaded = loadSync(join(packageRoot, 'src/sources/netns/cri.proto'), {
      defaults: true,
      enums: String,
      longs: String,
    })['runtime.v1.RuntimeService']
    if (!loaded || 'format' in loaded) throw new Error('no service')
    const renamed = Object.fromEntries(
      Object.entries(loaded).map(([name, method]) => [
        name,
        { ...method, path: `/${service}/${name}` },
      ]),
    )
    this.#server.addService(renamed, {
      ListPodSandbox: ({ request }: { request: Request }, answer: Answer) => {
        const uid = request.filter?.labelSelector['io.kubernetes.pod.uid']
        this.calls.push(uid === undefined ? 'list' : `list ${uid}`)
        const items = this.sandboxes.filter((sandbox) => uid === undefined || uid === sandbox.uid)
        answer(null, {
          items: items.map(({ id, uid: of, state = 'SANDBOX_READY', createdAt = '1' }) => ({
            id,
            metadata: { uid: of },
            state,
            createdAt,
          })),
        })
      },
      PodSandboxStatus: ({ request }: { request: Request }, answer: Answer) => {
        const { podSandboxId = '', verbose } = request
        this.calls.push(`status ${podSandboxId}`)
        const sandbox = this.sandboxes.find(({ id }) => id === podSandboxId)
        if (!sandbox?.info || !verbose) {
          answer({ code: status.NOT_FOUND, details: 'not found' })
          return
        }
        answer(null, { info: { info: JSON.stringify(sandbox.info) } })
      },
    })
    await promisify(this.#server.bindAsync.bind(this.#server))(
      `unix:${this.socket}`,
      ServerCredentials.createInsecure(),
    )
  }

  async stop(): Promise<void> {
    this.#server.forceShutdown()
    rmSync(this.directory, { recursive: true, force: true })
  }
}
