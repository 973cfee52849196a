import type { Check } from '../finding.ts'
import type { Machine } from '../machine.ts'

export const nodeVersion: Check = ({ nodeVersion: version }) => {
  if (Number.parseInt(version) >= 20) return undefined
  return {
    check: 'node',
    level: 'fatal',
    found: `this is Node ${version}`,
    means: 'Node 20 or newer is needed.',
    mend: 'install it: https://nodejs.org/en/download',
  }
}

/** PROC_PID_INIT_INO and PROC_CGROUP_INIT_INO of linux/proc_ns.h. */
const isInNamespaces = (machine: Machine): boolean =>
  (machine.link('/proc/self/ns/pid') ?? '') !== 'pid:[4026531836]' ||
  (machine.link('/proc/self/ns/cgroup') ?? '') !== 'cgroup:[4026531835]'

/** The kind of container, if it is a known one. */
function containerKind(machine: Machine): string | undefined {
  // A virtual machine made from a container image has the same marker files.
  if (!isInNamespaces(machine)) return undefined
  if (machine.exists('/kind/version')) return 'a node of kind'
  if (machine.exists('/bin/k3d-entrypoint.sh')) return 'a node of k3d'
  if (machine.exists('/run/.containerenv')) return 'a Podman container'
  if (machine.exists('/.dockerenv')) return 'a Docker container'
  const initial = machine.read('/proc/1/environ') ?? ''
  const prefix = 'container='
  const named = initial.split('\0').find((variable) => variable.startsWith(prefix))
  return named === undefined ? undefined : `a container (${named.slice(prefix.length)})`
}

export const container: Check = (machine) => {
  const kind = containerKind(machine)
  if (kind === undefined) return undefined
  return {
    check: 'container',
    level: 'note',
    found: `this is ${kind}`,
    means:
      "The kernel is that of the machine around it. The agent sees the pods below this container's cgroup: " +
      'on such a node all of them, elsewhere none but its own processes.',
  }
}

export const readOnlyRoot: Check = (machine, { writes = [] }) => {
  const closed = writes.filter((directory) => machine.isReadOnly(directory))
  if (closed.length === 0) return undefined
  return {
    check: 'read-only',
    level: 'fatal',
    found: `${closed.join(', ')} cannot be written: the file system is read-only`,
    means: 'Sockets, locks and network namespaces need files there.',
    mend: closed.map((directory) => `mount -t tmpfs tmpfs ${directory}`).join(' && '),
  }
}

export const commands: Check = (machine, { commands: needed = [] }) => {
  const missing = needed.filter((name) => !machine.hasCommand(name))
  if (missing.length === 0) return undefined
  return {
    check: 'commands',
    level: 'fatal',
    found: `these commands are missing: ${missing.join(', ')}`,
    means: 'The bench runs them.',
    mend: 'npm run setup',
  }
}

export const iptables: Check = (machine, { iptables: needed = false }) => {
  if (!needed) return undefined
  const variants = ['nft', 'legacy'] as const
  const installed = variants.filter((name) => machine.hasCommand(`iptables-${name}-restore`))
  if (installed.length === 0) {
    return {
      check: 'iptables',
      level: 'fatal',
      found: 'there is no iptables',
      means: 'The bench leads traffic through the sidecars by its rules.',
      mend: 'apt-get install iptables',
    }
  }
  if (installed.some((name) => machine.iptablesWork(name))) return undefined
  return {
    check: 'iptables',
    level: 'fatal',
    found: 'iptables cannot make rules of the nat table',
    means:
      'The bench leads traffic through the sidecars by its rules; this kernel lacks their modules.',
    mend: 'modprobe nft_compat nft_chain_nat, or modprobe iptable_nat',
  }
}

export const ipv6: Check = (machine, { purpose }) => {
  if (purpose === 'cleanup' || purpose === 'self-test' || machine.hasIpv6()) return undefined
  return {
    check: 'ipv6',
    level: 'note',
    found: 'this kernel runs without IPv6',
    means:
      'Connections over IPv4 are accelerated all the same; --metrics :PORT listens on IPv4 alone.',
  }
}
