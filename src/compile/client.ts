import {
  Client,
  credentials,
  status as grpcStatus,
  type ServiceError,
  type VerifyOptions,
} from '@grpc/grpc-js'
import { isIP } from 'node:net'
import { checkServerIdentity } from 'node:tls'
import { errorFromStatus } from '../api/error-metadata.ts'
import { messageOf } from '../lib/errno.ts'
import { MeshaccelError } from '../lib/errors.ts'
import type { Identity } from './tls.ts'
import {
  type CompileRequest,
  type CompileResponse,
  loadCompilerService,
  requestLimit,
  responseLimit,
} from './wire.ts'

/** A connection to a compile server. */
export class CompileClient implements Disposable {
  readonly #address: string
  readonly #client: Client
  readonly #service = loadCompilerService()

  constructor(address: string, { ca, cert, key }: Identity) {
    this.#address = address
    const ip = ipOf(address)
    const verify = ip === undefined ? {} : identifiedBy(ip)
    this.#client = new Client(address, credentials.createSsl(ca, key, cert, verify), {
      'grpc.max_receive_message_length': responseLimit,
      'grpc.max_send_message_length': requestLimit,
      // TLS sends names only (RFC 6066), and Node warns where gRPC sends an address.
      ...(ip !== undefined && { 'grpc.ssl_target_name_override': 'compile-server' }),
    })
  }

  /** Throws the server's own errors, or SERVER_UNREACHABLE. A source that does not compile is an answer. */
  compile(request: CompileRequest, timeoutMs: number): Promise<CompileResponse> {
    const method = this.#service['Compile']
    if (!method) throw new Error('compiler.proto has no method Compile')
    const { path, requestSerialize, responseDeserialize } = method
    const options = { deadline: Date.now() + timeoutMs }
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest<CompileRequest, CompileResponse>(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        options,
        (error, response) => {
          if (error) reject(this.#explain(error))
          else if (response !== undefined) resolve(response)
        },
      )
    })
  }

  [Symbol.dispose](): void {
    this.#client.close()
  }

  #explain(error: ServiceError): MeshaccelError {
    if (error.metadata.get('meshaccel-operation').length > 0)
      return errorFromStatus(error, 'Compile')
    const isAway = error.code === grpcStatus.UNAVAILABLE
    return new MeshaccelError(messageOf(error).replace(/^\d+ [A-Z_]+: /, ''), {
      code: isAway ? 'SERVER_UNREACHABLE' : 'SERVER_FAILED',
      operation: `ask the compile server ${this.#address}`,
      hint: isAway
        ? 'Is it running there, and do both sides trust the certificate of the other one (--ca)? The name in --server must be one of its certificate.'
        : undefined,
      retryable: isAway,
      cause: error,
    })
  }
}

/** The address in `1.2.3.4:7443` or `[::1]:7443`; undefined for a name. */
function ipOf(address: string): string | undefined {
  const host = address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
  return isIP(host) ? host : undefined
}

/** The certificate must name the address. */
const identifiedBy = (ip: string): VerifyOptions => ({
  checkServerIdentity: (_name, certificate) => checkServerIdentity(ip, certificate),
})
