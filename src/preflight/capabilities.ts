/** The effective capabilities of this process, from /proc/self/status, by their bits in linux/capability.h. */
import type { Machine } from './machine.ts'

export const capabilityBits = {
  CAP_DAC_OVERRIDE: 1,
  CAP_NET_ADMIN: 12,
  CAP_SYS_PTRACE: 19,
  CAP_SYS_ADMIN: 21,
  CAP_SYS_RESOURCE: 24,
  CAP_PERFMON: 38,
  CAP_BPF: 39,
} as const

export type Capability = keyof typeof capabilityBits

export function hasCapability(machine: Machine, capability: Capability): boolean {
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(machine.read('/proc/self/status') ?? '')?.[1]
  return (
    mask !== undefined && ((BigInt(`0x${mask}`) >> BigInt(capabilityBits[capability])) & 1n) === 1n
  )
}

/** Whether this is the initial user namespace, by its fixed inode number: PROC_USER_INIT_INO of linux/proc_ns.h. */
export const isFirstUserNamespace = (machine: Machine): boolean =>
  (machine.link('/proc/self/ns/user') ?? 'user:[4026531837]') === 'user:[4026531837]'
