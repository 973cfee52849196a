import type { Endpoint } from '../system/endpoint.ts'

/** What one sidecar does. */
export interface Hop {
  readonly direction: 'outbound' | 'inbound'
  /** `http` with keepalive and pooled upstream connections, or bytes as they come. */
  readonly protocol: 'http' | 'tcp'
  readonly listen: Endpoint
  /** Where it forwards to. Envoy takes the connection's original destination where this is a TCP address. */
  readonly forward: Endpoint
  /** Whether it takes connections to any address, as TPROXY leads them to it. */
  readonly transparent?: boolean
  /** The address that its own connections come from. */
  readonly source?: string
  /** TLS towards the other sidecar. */
  readonly tls?: Certificates
}

/** Paths of PEM files of one side. */
export interface Certificates {
  readonly authority: string
  readonly certificate: string
  readonly key: string
}
