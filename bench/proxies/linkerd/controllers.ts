import {
  type handleServerStreamingCall,
  type handleUnaryCall,
  Server,
  status as grpcStatus,
} from '@grpc/grpc-js'
import { isExplained } from '../../../src/lib/errors.ts'
import type { IdentityIssuer } from './identity.ts'
import {
  type CertifyRequest,
  type CertifyResponse,
  type DestinationProfile,
  type GetDestination,
  loadServices,
} from './wire.ts'

/** The names in the certificates of pods, by the pod's IPv4 address. */
export type MeshedPods = ReadonlyMap<string, string>

/**
 * Stands in for Linkerd's control plane. It signs certificates. It knows no services and no policies, so a proxy forwards
 * each connection to its original destination. If that is a meshed pod, the proxy opens mutual TLS to the other proxy.
 */
export function controllers(
  issuer: Pick<IdentityIssuer, 'certify'>,
  meshed: MeshedPods = new Map(),
): Server {
  const { identity, destination, inbound, outbound } = loadServices()
  const server = new Server()
  server.addService(identity, { Certify: certify(issuer) })
  // The proxy takes INVALID_ARGUMENT as final, and then does what it does for unknown addresses and ports. It would
  // repeat each call that ends with another status.
  const { INVALID_ARGUMENT, NOT_FOUND } = grpcStatus
  const noService = refuse(INVALID_ARGUMENT, 'the bench has no services')
  server.addService(destination, { Get: noService, GetProfile: profile(meshed) })
  const noServer = refuse(INVALID_ARGUMENT, 'the bench has no policies: the default one counts')
  server.addService(inbound, { GetPort: noServer, WatchPort: noServer })
  // Here NOT_FOUND is final. It makes the proxy forward to the original destination.
  const noPolicy = refuse(NOT_FOUND, 'the bench has no policies for outbound connections')
  server.addService(outbound, { Get: noPolicy, Watch: noPolicy })
  return server
}

function certify(
  issuer: Pick<IdentityIssuer, 'certify'>,
): handleUnaryCall<CertifyRequest, CertifyResponse> {
  return ({ request }, callback) => {
    let response
    try {
      response = issuer.certify(request)
    } catch (error) {
      const code = (isExplained(error) ? codes[error.code] : undefined) ?? grpcStatus.INTERNAL
      callback({ code, details: error instanceof Error ? error.message : String(error) })
      return
    }
    callback(null, response)
  }
}

const codes: Readonly<Record<string, grpcStatus>> = {
  UNKNOWN_IDENTITY: grpcStatus.INVALID_ARGUMENT,
  BAD_SIGNING_REQUEST: grpcStatus.INVALID_ARGUMENT,
  WRONG_TOKEN: grpcStatus.UNAUTHENTICATED,
}

/** Tells the identity of a meshed pod. The stream stays open: the proxy would repeat a call that ends. */
function profile(
  meshed: MeshedPods,
): handleServerStreamingCall<GetDestination, DestinationProfile> {
  return (call) => {
    const [, address = '', port] = /^([\d.]+):(\d+)$/.exec(call.request.path) ?? []
    const name = meshed.get(address)
    if (name === undefined) {
      const details = `${call.request.path} is not in the mesh`
      call.emit('error', { code: grpcStatus.INVALID_ARGUMENT, details })
      return
    }
    call.write({
      endpoint: {
        addr: { ip: { ipv4: ipv4Number(address) }, port: Number(port) },
        weight: 1,
        tlsIdentity: { dnsLikeIdentity: { name }, serverName: { name } },
      },
    })
  }
}

const ipv4Number = (address: string): number =>
  address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)

type Refusal = handleUnaryCall<object, object> & handleServerStreamingCall<object, object>

/** Answers calls of one message and of a stream alike. */
const refuse =
  (code: grpcStatus, details: string): Refusal =>
  (call, callback?: Parameters<handleUnaryCall<object, object>>[1]) => {
    if (callback) callback({ code, details })
    else call.emit('error', { code, details })
  }
