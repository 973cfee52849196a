import { existsSync } from 'node:fs'
import { systemCommand } from '../system-command.ts'
import type { UndoStack } from '../undo-stack.ts'

/** A pod's network namespace. */
export interface PodNetwork {
  readonly name: string
  readonly netns: string
  readonly address: string
}

export interface Network {
  readonly client: PodNetwork
  readonly server: PodNetwork
}

/** Two pods' namespaces, joined by veth pairs and a bridge in a third one: the host's own network is not touched. */
export function createNetwork(stack: UndoStack, runName: string): Network {
  const node = createNamespace(stack, `${runName}-node`)
  inside(node, 'ip', 'link', 'add', 'pods', 'type', 'bridge')
  inside(node, 'ip', 'link', 'set', 'pods', 'up')
  // The bridge belongs to the namespace of its own, so the addresses need to be unique only in there.
  const pod = (name: string, address: string): PodNetwork => {
    const netns = createNamespace(stack, `${runName}-${name}`)
    const peer = ['peer', 'name', 'eth0', 'netns', `${runName}-${name}`]
    inside(node, 'ip', 'link', 'add', name, 'type', 'veth', ...peer)
    inside(node, 'ip', 'link', 'set', name, 'master', 'pods', 'up')
    inside(netns, 'ip', 'address', 'add', `${address}/24`, 'dev', 'eth0')
    inside(netns, 'ip', 'link', 'set', 'eth0', 'up')
    return { name, netns, address }
  }
  return { client: pod('client', '10.244.1.10'), server: pod('server', '10.244.1.20') }
}

/** Runs a command in a namespace. Not by `ip netns exec`, which hides /sys/fs/cgroup and /sys/fs/bpf. */
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
