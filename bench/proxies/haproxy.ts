import type { Endpoint } from '../system/endpoint.ts'
import type { Hop } from './hop.ts'

/** The configuration of HAProxy as one sidecar. It has one thread, because sidecars usually get one CPU. */
export function haproxyConfig(hop: Hop): string {
  const source = hop.source === undefined ? '' : ` source ${hop.source}`
  const options =
    hop.protocol === 'http'
      ? 'mode http\n  option http-keep-alive\n  http-reuse always'
      : 'mode tcp'
  return `global
  nbthread 1
  maxconn 4096
  tune.maxrewrite 1024
defaults
  ${options}
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout http-keep-alive 1h
listen sidecar
  bind ${address(hop.listen)}${'socket' in hop.listen ? ' mode 666' : ''}${hop.transparent ? ' transparent' : ''}
  server ${hop.direction} ${address(hop.forward)}${source} pool-max-conn -1
`
}

const address = (endpoint: Endpoint): string =>
  'socket' in endpoint ? `unix@${endpoint.socket}` : `${endpoint.host}:${endpoint.port}`
