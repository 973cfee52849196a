import { inside, type PodNetwork } from '../../topology/network.ts'

/** The port of the proxy's own HTTP server. Linkerd's rules leave it alone. */
export const ADMIN_PORT = 4191

/** Whether the proxy has its certificate. It listens before, but forwards nothing. */
export const isReady = (pod: PodNetwork): boolean => /^HTTP\/1\.[01] 200 /.test(ask(pod, '/ready'))

/** The proxy's metrics in the text format of Prometheus. */
export const readMetrics = (pod: PodNetwork): string => ask(pod, '/metrics')

/** Whether a proxy's metrics count connections to this port from clients that have shown their identity. */
export function mutualTlsIn(metrics: string, port: number): boolean {
  const counters = metrics.matchAll(/^tcp_open_total\{(.*)\} (\d+)$/gm)
  return [...counters].some(([, labels = '', count]) => {
    const has = (label: string): boolean => labels.split(',').includes(label)
    return (
      has('direction="inbound"') &&
      has('peer="src"') &&
      has(`target_port="${port}"`) &&
      has('tls="true"') &&
      Number(count) > 0
    )
  })
}

/** The answer to a GET with its headers; empty if there is none within 2 seconds. */
function ask({ netns }: PodNetwork, path: string): string {
  // HTTP/1.0 has no chunks, which would break lines.
  const request = `GET ${path} HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n`
  const script = `exec 3<>/dev/tcp/127.0.0.1/${ADMIN_PORT} && printf '${request}' >&3 && timeout 2 cat <&3`
  return inside(netns, 'bash', '-c', `(${script}) 2>/dev/null || true`)
}
