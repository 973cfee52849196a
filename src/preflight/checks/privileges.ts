import { type Capability, hasCapability, isFirstUserNamespace } from '../capabilities.ts'
import type { Check } from '../finding.ts'
import type { Machine } from '../machine.ts'

/** Each capability and its use. CAP_SYS_ADMIN includes the two that were split from it. */
const uses: readonly (readonly [Capability, string])[] = [
  ['CAP_SYS_ADMIN', "enters the pods' network namespaces"],
  ['CAP_BPF', 'loads programs'],
  ['CAP_PERFMON', 'reads kernel memory in them'],
  ['CAP_NET_ADMIN', 'attaches them'],
]

/** Without these capabilities the agent works, but finds fewer pods by their processes. */
const helpers: readonly Capability[] = ['CAP_SYS_PTRACE', 'CAP_DAC_OVERRIDE']

const standsFor: readonly Capability[] = ['CAP_BPF', 'CAP_PERFMON']

function has(machine: Machine, capability: Capability): boolean {
  if (hasCapability(machine, capability)) return true
  return standsFor.includes(capability) && hasCapability(machine, 'CAP_SYS_ADMIN')
}

const grant = (capabilities: readonly Capability[]): string =>
  `run it as root with ${capabilities.join(', ')}; in a container: docker run ` +
  capabilities.map((name) => `--cap-add=${name.slice('CAP_'.length)}`).join(' ')

export const capabilities: Check = (machine) => {
  const missing = uses.filter(([name]) => !has(machine, name))
  if (missing.length === 0) return undefined
  const names = missing.map(([name]) => name)
  return {
    check: 'capabilities',
    level: 'refused',
    found: `this process lacks ${names.join(', ')}`,
    means: missing.map(([name, use]) => `With ${name} the agent ${use}.`).join(' '),
    mend: grant(names),
  }
}

export const helpfulCapabilities: Check = (machine, { purpose }) => {
  const missing = helpers.filter((name) => !has(machine, name))
  if (missing.length === 0 || purpose === 'cleanup' || purpose === 'self-test') return undefined
  return {
    check: 'helpful-capabilities',
    level: 'warning',
    found: `this process lacks ${missing.join(', ')}`,
    means: 'Pods and readers that run as other users may not be found or named.',
    mend: grant(missing),
  }
}

export const userNamespace: Check = (machine) => {
  if (isFirstUserNamespace(machine)) return undefined
  return {
    check: 'user-namespace',
    level: 'refused',
    found: 'this process lives in a user namespace of its own',
    means:
      'The kernel allows BPF to root of the first user namespace only, whatever root may do in here.',
    mend: 'run it as the real root: outside of rootless Docker or Podman, without hostUsers: false',
  }
}

/** Tries a bpf(2) call, because a seccomp filter or a security module may forbid what capabilities allow. */
export const bpfSyscall: Check = (machine, place) => {
  if (!isFirstUserNamespace(machine) || capabilities(machine, place)) return undefined
  const errno = machine.bpfErrno()
  if (errno === undefined) return undefined
  if (errno === 'NO_LIBRARY') {
    return {
      check: 'libbpf',
      level: 'fatal',
      found: 'libbpf.so.1 cannot be loaded',
      means: 'All of BPF goes through this library.',
      mend: 'apt-get install libbpf1; in a checkout: npm run setup',
    }
  }
  const filtered = /^Seccomp:\s*2$/m.test(machine.read('/proc/self/status') ?? '')
  if (errno === 'ENOSYS' && !filtered) {
    return {
      check: 'bpf-syscall',
      level: 'refused',
      found: 'this kernel has no bpf(2)',
      means: 'Nothing can be loaded.',
      mend: 'boot a kernel with CONFIG_BPF_SYSCALL=y, such as that of a distribution',
    }
  }
  return {
    check: 'bpf-syscall',
    level: 'refused',
    found: `bpf(2) is refused (${errno}), ${filtered ? 'and a seccomp filter is in force' : 'although the capabilities are there'}`,
    means: filtered
      ? 'The seccomp profile does not let this process load programs.'
      : 'A security module, such as SELinux or AppArmor, forbids it.',
    mend: filtered
      ? 'docker run --security-opt seccomp=unconfined …, or a profile that allows bpf'
      : 'look for the denial: dmesg | grep -i denied; the chart asks for the type spc_t under SELinux',
  }
}
