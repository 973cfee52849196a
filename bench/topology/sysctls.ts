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

/** Sets a sysctl of the first network namespace for as long as the stack lives. */
export function setSysctl(stack: UndoStack, name: string, value: string): void {
  const path = sysctlPath(name)
  const before = readFileSync(path, 'utf8').trim()
  if (before === value) return
  stack.defer(`set sysctl ${name} back to ${before}`, () => writeFileSync(path, before))
  writeFileSync(path, value)
}

/**
 * Gives the pods the settings that comparisons need and returns their congestion control: bbr, some hosts' default,
 * paces even loopback. A namespace may only choose what the first namespace allows.
 */
export function tunePods(stack: UndoStack, pods: readonly PodNetwork[]): string {
  const allowed = readFileSync(sysctlPath(ALLOWED), 'utf8').trim().split(/\s+/)
  if (!allowed.includes(CONGESTION_CONTROL)) {
    setSysctl(stack, ALLOWED, [...allowed, CONGESTION_CONTROL].join(' '))
  }
  for (const { netns } of pods) {
    // `close` would otherwise run out of ports, and TIME_WAIT of one mode would slow down the next.
    const settings = [
      `net.ipv4.tcp_congestion_control=${CONGESTION_CONTROL}`,
      'net.ipv4.tcp_max_tw_buckets=64',
      'net.ipv4.ip_local_port_range=1024 65535',
      `net.ipv4.ip_local_reserved_ports=${reservedPorts.join(',')}`,
      'net.core.somaxconn=4096',
      // TPROXY's packets have sources that no route leads back to.
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
