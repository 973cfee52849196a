import { existsSync } from 'node:fs'
import { systemCommand } from '../system/system-command.ts'
import type { UndoStack } from '../system/undo-stack.ts'

/** A pod's network namespace. */
export interface PodNetwork {
  readonly name: string
  readonly netns: string
  readonly address: string
}

export interface Network {
  readonly client: PodNetwork
  readonly server: PodNetwork
  /** A server on another node: its packets are routed through that node's namespace. */
  readonly remote: PodNetwork
}

/**
 * Two pods on one node, joined by veth pairs and a bridge, and one pod on another node. Each node is a network
 * namespace, so the host's own network stays untouched. The nodes route between their pods.
 */
export function createNetwork(stack: UndoStack, runName: string): Network {
  const here = createNode(stack, runName, 'node', '10.244.1')
  const there = createNode(stack, runName, 'other', '10.244.2')
  const wire = ['peer', 'name', 'uplink', 'netns', `${runName}-other`]
  inside(here.netns, 'ip', 'link', 'add', 'uplink', 'type', 'veth', ...wire)
  for (const [node, own, peer, pods] of [
    [here, '10.245.0.1', '10.245.0.2', '10.244.2.0/24'],
    [there, '10.245.0.2', '10.245.0.1', '10.244.1.0/24'],
  ] as const) {
    inside(node.netns, 'ip', 'address', 'add', `${own}/30`, 'dev', 'uplink')
    inside(node.netns, 'ip', 'link', 'set', 'uplink', 'up')
    inside(node.netns, 'ip', 'route', 'add', pods, 'via', peer)
  }
  return {
    client: here.pod('client', 10),
    server: here.pod('server', 20),
    remote: there.pod('remote', 20),
  }
}

interface NodeNetwork {
  readonly netns: string
  readonly pod: (name: string, host: number) => PodNetwork
}

/** A node; its pods have addresses in one /24. */
function createNode(
  stack: UndoStack,
  runName: string,
  nodeName: string,
  prefix: string,
): NodeNetwork {
  const node = createNamespace(stack, `${runName}-${nodeName}`)
  inside(node, 'sysctl', '-q', '-w', 'net.ipv4.ip_forward=1', 'net.ipv4.conf.all.rp_filter=0')
  inside(node, 'ip', 'link', 'add', 'pods', 'type', 'bridge')
  inside(node, 'ip', 'address', 'add', `${prefix}.1/24`, 'dev', 'pods')
  inside(node, 'ip', 'link', 'set', 'pods', 'up')
  // The bridge has a namespace of its own, so addresses must be unique only there.
  const pod = (name: string, host: number): PodNetwork => {
    const address = `${prefix}.${host}`
    const netns = createNamespace(stack, `${runName}-${name}`)
    const peer = ['peer', 'name', 'eth0', 'netns', `${runName}-${name}`]
    inside(node, 'ip', 'link', 'add', name, 'type', 'veth', ...peer)
    inside(node, 'ip', 'link', 'set', name, 'master', 'pods', 'up')
    inside(netns, 'ip', 'address', 'add', `${address}/24`, 'dev', 'eth0')
    inside(netns, 'ip', 'link', 'set', 'eth0', 'up')
    inside(netns, 'ip', 'route', 'add', 'default', 'via', `${prefix}.1`)
    return { name, netns, address }
  }
  return { netns: node, pod }
}

/** Runs a command in a namespace. It avoids `ip netns exec`, which hides /sys/fs/cgroup and /sys/fs/bpf. */
export function inside(netns: string, ...command: string[]): string {
  return systemCommand('nsenter', [`--net=${netns}`, '--', ...command])
}

function createNamespace(stack: UndoStack, name: string): string {
  const netns = `/run/netns/${name}`
  stack.defer(`delete network namespace ${name}`, () => {
    if (existsSync(netns)) systemCommand('ip', ['netns', 'delete', name])
  })
  systemCommand('ip', ['netns', 'add', name])
  inside(netns, 'ip', 'link', 'set', 'lo', 'up')
  return netns
}
