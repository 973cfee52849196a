import { existsSync } from 'node:fs'
import { systemCommand } from '../../system/system-command.ts'
import type { UndoStack } from '../../system/undo-stack.ts'
import { inside, type PodNetwork } from '../network.ts'
import type { RuleSet } from './redirect.ts'

type Tool = 'iptables-nft' | 'iptables-legacy' | 'nft' | 'tproxy'

/** Delivers packets with a mark locally, whatever their destination. TPROXY needs that. */
interface Delivered {
  readonly mark: number
  readonly table: number
}

/** Rules in the format of iptables-restore. */
export function iptablesRules(tool: Tool, rules: string, delivered?: Delivered): RuleSet {
  const tables = [...rules.matchAll(/^\*(\w+)$/gm)].map(([, table = '']) => table)
  const restore = (pod: PodNetwork, text: string): string =>
    systemCommand('nsenter', [`--net=${pod.netns}`, '--', `${tool}-restore`], text)
  return {
    transparent: delivered !== undefined,
    install: (stack, pod) => {
      stack.defer(`take the rules out of the ${pod.name} pod`, () => {
        if (!existsSync(pod.netns)) return
        restore(pod, tables.map((table) => `*${table}\nCOMMIT\n`).join(''))
      })
      restore(pod, rules)
      if (delivered) deliver(stack, pod, delivered)
    },
    ledTo: (port, pod) =>
      tables.reduce((sum, table) => {
        const saved = inside(pod.netns, `${tool}-save`, '-c', '-t', table)
        return sum + packetsTo(port, saved)
      }, 0),
  }
}

/**
 * The number of packets that REDIRECT and TPROXY rules in the output of `iptables-save -c` have sent to a port: the
 * first one of each connection.
 */
export function packetsTo(port: number, saved: string): number {
  const rule = /^\[(\d+):\d+\] -A .* (?:--to-ports|--on-port) (\d+)\b/gm
  return [...saved.matchAll(rule)]
    .filter(([, , to]) => Number(to) === port)
    .reduce((sum, [, packets]) => sum + Number(packets), 0)
}

function deliver(stack: UndoStack, pod: PodNetwork, { mark, table }: Delivered): void {
  const rule = ['fwmark', String(mark), 'lookup', String(table)]
  const route = ['local', 'default', 'dev', 'lo', 'table', String(table)]
  for (const [what, words] of [
    ['route', route],
    ['rule', rule],
  ] as const) {
    inside(pod.netns, 'ip', what, 'add', ...words)
    stack.defer(`delete the ${what} of marked packets in the ${pod.name} pod`, () => {
      if (existsSync(pod.netns)) inside(pod.netns, 'ip', what, 'delete', ...words)
    })
  }
}

/** Whether the kernel supports the tool. */
export function works(tool: Tool): boolean {
  try {
    systemCommand(`${tool}-restore`, ['--test'], '*nat\nCOMMIT\n')
    return true
  } catch {
    return false
  }
}
