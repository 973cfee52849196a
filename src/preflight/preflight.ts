/** Finds everything that is missing or odd on this machine. It takes milliseconds and runs before any change. */
import { MeshaccelError } from '../lib/errors.ts'
import { bpffs } from './checks/bpffs.ts'
import {
  cgroup2,
  cgroupClaimed,
  cgroupHybrid,
  cgroupPart,
  cgroupReadOnly,
} from './checks/cgroup.ts'
import { btf, lockdown, lockedMemory, wsl } from './checks/kernel.ts'
import {
  bpfSyscall,
  capabilities,
  helpfulCapabilities,
  userNamespace,
} from './checks/privileges.ts'
import {
  commands,
  container,
  iptables,
  ipv6,
  nodeVersion,
  readOnlyRoot,
} from './checks/surroundings.ts'
import type { Check, Finding, Level, Place } from './finding.ts'
import { type Machine, thisMachine } from './machine.ts'

/** The checks for BPF, in reporting order: a cause comes before its effects. */
const bpfChecks: readonly Check[] = [
  userNamespace,
  capabilities,
  bpfSyscall,
  lockedMemory,
  lockdown,
  btf,
  bpffs,
  cgroupReadOnly,
  cgroupClaimed,
]

/** The checks that do not concern BPF. */
const otherChecks: readonly Check[] = [
  nodeVersion,
  cgroup2,
  cgroupPart,
  readOnlyRoot,
  commands,
  iptables,
  helpfulCapabilities,
  cgroupHybrid,
  container,
  wsl,
  ipv6,
]

/** Everything that is missing or odd for this purpose. Changes nothing and never throws. */
export function examine(place: Place, machine: Machine = thisMachine()): Finding[] {
  const checks = place.usesBpf === false ? otherChecks : [...bpfChecks, ...otherChecks]
  return checks.flatMap((check) => check(machine, place) ?? [])
}

/** Throws NOT_ON_THIS_MACHINE if there are findings of these levels. The error names all of them. */
export function refuse(findings: readonly Finding[], levels: readonly Level[] = ['fatal']): void {
  const [first, ...others] = findings.filter(({ level }) => levels.includes(level))
  if (!first) return
  throw new MeshaccelError(first.found, {
    code: 'NOT_ON_THIS_MACHINE',
    operation: 'check this machine',
    hint: [explain(first), ...others.map((each) => `Also ${each.found}. ${explain(each)}`)].join(
      '\n  ',
    ),
  })
}

/** The consequence of a finding, and the fix. */
export const explain = ({ means, mend }: Finding): string =>
  mend === undefined ? means : `${means} Fix it: ${mend}`
