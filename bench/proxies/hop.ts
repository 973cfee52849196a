import type { Endpoint } from '../system/endpoint.ts'

/** The settings of one sidecar. */
export interface Hop {
  readonly direction: 'outbound' | 'inbound'
  /** `http`: with keepalive and pooled upstream connections. `tcp`: bytes as they come. */
  readonly protocol: 'http' | 'tcp'
  readonly listen: Endpoint
  /** The upstream endpoint. If it is a TCP address, Envoy uses the connection's original destination instead. */
  readonly forward: Endpoint
  /** Whether it accepts connections to any address, which TPROXY requires. */
  readonly transparent?: boolean
  /** The source address of its own connections. */
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
