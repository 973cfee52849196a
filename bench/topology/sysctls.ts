import { readFileSync, writeFileSync } from 'node:fs'
import type { UndoStack } from '../system/undo-stack.ts'
import { meshes } from './mesh.ts'
import { inside, type PodNetwork } from './network.ts'

const CONGESTION_CONTROL = 'cubic'
const ALLOWED = 'net.ipv4.tcp_allowed_congestion_control'
const APP_PORTS = [8080, 8443]
const reservedPorts = [
  ...APP_PORTS,
  ...Object.values(meshes).flatMap(({ outboundPort, inboundPort }) => [outboundPort, inboundPort]),
]

/** Sets a sysctl of the initial network namespace until the stack ends. */
export function setSysctl(stack: UndoStack, name: string, value: string): void {
  const path = sysctlPath(name)
  const before = readFileSync(path, 'utf8').trim()
  if (before === value) return
  stack.defer(`set sysctl ${name} back to ${before}`, () => writeFileSync(path, before))
  writeFileSync(path, value)
}

/**
 * Sets the pods' sysctls for comparisons and returns their congestion control. bbr, the default of some hosts, paces
 * even loopback. A namespace may choose only what the initial namespace allows.
 */
export function tunePods(stack: UndoStack, pods: readonly PodNetwork[]): string {
  const allowed = readFileSync(sysctlPath(ALLOWED), 'utf8').trim().split(/\s+/)
  if (!allowed.includes(CONGESTION_CONTROL)) {
    setSysctl(stack, ALLOWED, [...allowed, CONGESTION_CONTROL].join(' '))
  }
  for (const { netns } of pods) {
    // Otherwise `close` runs out of ports, and TIME_WAIT sockets of one mode slow down the next.
    const settings = [
      `net.ipv4.tcp_congestion_control=${CONGESTION_CONTROL}`,
      'net.ipv4.tcp_max_tw_buckets=64',
      'net.ipv4.ip_local_port_range=1024 65535',
      `net.ipv4.ip_local_reserved_ports=${reservedPorts.join(',')}`,
      'net.core.somaxconn=4096',
      // With TPROXY, packets have source addresses without a return route.
      'net.ipv4.conf.all.rp_filter=0',
      'net.ipv4.conf.eth0.rp_filter=0',
      'net.ipv4.conf.lo.rp_filter=0',
    ]
    inside(netns, 'sysctl', '-q', '-w', ...settings)
  }
  return CONGESTION_CONTROL
}

function sysctlPath(name: string): string {
  return `/proc/sys/${name.replaceAll('.', '/')}`
}
