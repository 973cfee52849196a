import {
  Metadata,
  Server,
  ServerCredentials,
  status as grpcStatus,
  type handleUnaryCall,
} from '@grpc/grpc-js'
import { HealthImplementation } from 'grpc-health-check'
import { promisify } from 'node:util'
import { errorMetadata } from '../api/error-metadata.ts'
import { messageOf } from '../lib/errno.ts'
import { isExplained, MeshaccelError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Service } from './service.ts'
import type { Identity } from './tls.ts'
import {
  type CompileRequest,
  type CompileResponse,
  compilerService,
  loadCompilerService,
  requestLimit,
  responseLimit,
} from './wire.ts'

/** When a client may try again that met a full queue. */
const pushbackMs = 2_000

/** The service over mutual TLS. */
export class CompileServer {
  readonly #server: Server
  readonly #health: HealthImplementation
  /** It differs from the requested one if that was 0. */
  readonly port: number

  private constructor(server: Server, health: HealthImplementation, port: number) {
    this.#server = server
    this.#health = health
    this.port = port
  }

  /** Listens on `HOST:PORT`. Only clients with a certificate of the authority get in. */
  static async listen(
    address: string,
    { ca, cert, key }: Identity,
    service: Service,
    log: Log,
  ): Promise<CompileServer> {
    const operation = `listen on ${address}`
    const server = new Server({
      'grpc.max_receive_message_length': requestLimit,
      'grpc.max_send_message_length': responseLimit,
      'grpc.max_concurrent_streams': 64,
      // Clients that are gone without a word hold no memory.
      'grpc.keepalive_time_ms': 60_000,
      'grpc.keepalive_timeout_ms': 20_000,
    })
    server.addService(loadCompilerService(), { Compile: unary(service, log) })
    const health = new HealthImplementation({ '': 'SERVING', [compilerService]: 'SERVING' })
    health.addToServer(server)
    try {
      const pair = { private_key: key, cert_chain: cert }
      const credentials = ServerCredentials.createSsl(ca, [pair], true)
      const bind = promisify(server.bindAsync.bind(server))
      const port = await bind(address, credentials)
      return new CompileServer(server, health, port)
    } catch (error) {
      throw new MeshaccelError(messageOf(error), { code: 'BAD_ADDRESS', operation, cause: error })
    }
  }

  /** Takes no new calls, and finishes open ones for at most `graceMs`. */
  async close(graceMs: number): Promise<void> {
    for (const service of ['', compilerService]) this.#health.setStatus(service, 'NOT_SERVING')
    const forced = setTimeout(() => this.#server.forceShutdown(), graceMs)
    await new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()))
    clearTimeout(forced)
  }
}

function unary(service: Service, log: Log): handleUnaryCall<CompileRequest, CompileResponse> {
  return async (call, callback) => {
    const client = { peer: call.getPeer(), name: clientName(call) }
    let response
    try {
      response = await service.compile(call.request, client)
    } catch (error) {
      callback(toStatus(error, log))
      return
    }
    callback(null, response)
  }
}

/** The common name of the client's certificate. */
function clientName(call: Parameters<handleUnaryCall<CompileRequest, CompileResponse>>[0]): string {
  const name = call.getAuthContext().sslPeerCertificate?.subject?.CN
  return Array.isArray(name) ? name.join(' ') : (name ?? '')
}

const codes: Readonly<Record<string, grpcStatus>> = {
  BAD_REQUEST: grpcStatus.INVALID_ARGUMENT,
  BAD_BTF: grpcStatus.INVALID_ARGUMENT,
  NO_BTF: grpcStatus.FAILED_PRECONDITION,
  BUSY: grpcStatus.RESOURCE_EXHAUSTED,
}

function toStatus(
  error: unknown,
  log: Log,
): { code: grpcStatus; details: string; metadata?: Metadata } {
  const code = isExplained(error) ? codes[error.code] : undefined
  if (!isExplained(error) || code === undefined) {
    log.error({ err: error }, 'a compilation failed')
    return { code: grpcStatus.INTERNAL, details: messageOf(error) }
  }
  const { metadata } = errorMetadata(error)
  if (error.retryable) metadata.set('grpc-retry-pushback-ms', String(pushbackMs))
  return { code, details: error.message, metadata }
}
