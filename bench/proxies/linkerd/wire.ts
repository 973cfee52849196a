import { join } from 'node:path'
import type { ServiceDefinition } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { packageRoot } from '../../../src/lib/package.ts'

/** The messages of identity.proto, as proto-loader reads and writes them. */
export interface CertifyRequest {
  readonly identity: string
  readonly token: Buffer
  readonly certificateSigningRequest: Buffer
}

export interface CertifyResponse {
  readonly leafCertificate: Buffer
  readonly intermediateCertificates: readonly Buffer[]
  readonly validUntil: { readonly seconds: number; readonly nanos: number }
}

/** The messages of destination.proto. */
export interface GetDestination {
  readonly path: string
}

export interface DestinationProfile {
  readonly endpoint: {
    readonly addr: { readonly ip: { readonly ipv4: number }; readonly port: number }
    readonly weight: number
    readonly tlsIdentity: {
      readonly dnsLikeIdentity: { readonly name: string }
      readonly serverName: { readonly name: string }
    }
  }
}

/** The services of Linkerd's control plane that a proxy calls. */
export interface Services {
  readonly identity: ServiceDefinition
  readonly destination: ServiceDefinition
  readonly inbound: ServiceDefinition
  readonly outbound: ServiceDefinition
}

export function loadServices(): Services {
  const directory = join(packageRoot, 'bench/proxies/linkerd/proto')
  const load = (file: string, name: string): ServiceDefinition => {
    const full = `io.linkerd.proxy.${file}.${name}`
    const loaded = loadSync(join(directory, `${file}.proto`), { defaults: true })[full]
    if (!loaded || 'format' in loaded) throw new Error(`${file}.proto defines no ${full}`)
    return loaded
  }
  return {
    identity: load('identity', 'Identity'),
    destination: load('destination', 'Destination'),
    inbound: load('inbound', 'InboundServerPolicies'),
    outbound: load('outbound', 'OutboundPolicies'),
  }
}
