import { isReadOnly, mountOf } from '../../lib/mountinfo.ts'
import { hasCapability } from '../capabilities.ts'
import type { Check, Finding, Place } from '../finding.ts'
import type { Machine } from '../machine.ts'

const USUAL = '/sys/fs/bpf'
const means = 'Programs and maps are pinned there, so that connections outlive the agent.'

/** Checks that pins can be created in the pin directory. */
export const bpffs: Check = (machine, place) => {
  const path = machine.realPath(place.pinDir)
  const mount = mountOf(machine.mounts, path)
  const isUsual = path === USUAL || path.startsWith(`${USUAL}/`)
  if (mount?.type === 'bpf') {
    // If nothing is pinned, `cleanup` has nothing to remove.
    const hasWork = place.purpose !== 'cleanup' || machine.exists(place.pinDir)
    if (!hasWork || !isReadOnly(mount)) return undefined
    return {
      check: 'bpffs',
      level: 'fatal',
      found: `the bpffs at ${mount.mountPoint} is read-only`,
      means,
      mend: `mount -o remount,rw ${mount.mountPoint}; in a container, mount it read-write`,
    }
  }
  if (place.purpose === 'cleanup') return undefined
  if (isUsual && mount?.type === 'sysfs') return notMounted(machine, place)
  const type = mount?.type ?? 'the root file system'
  return {
    check: 'bpffs',
    level: 'fatal',
    found: isUsual
      ? `${type} is mounted at ${mount?.mountPoint ?? '/'}, and no bpffs at ${USUAL}`
      : `the directory ${place.pinDir} of the pins is not on bpffs, but on ${type}`,
    means,
    mend: isUsual
      ? mount?.mountPoint === USUAL
        ? `umount ${USUAL} && mount -t bpf bpf ${USUAL}`
        : `mount -t sysfs sysfs /sys && mount -t bpf bpf ${USUAL}`
      : `leave --pin out, or name a directory below ${USUAL} with it`,
  }
}

function notMounted(machine: Machine, { purpose }: Place): Finding {
  const finding = { check: 'bpffs', found: `no bpffs is mounted at ${USUAL}`, means } as const
  if (!isKnown(machine) || !machine.exists(USUAL)) {
    return {
      ...finding,
      level: 'fatal',
      found: 'this kernel has no bpffs',
      mend: 'boot a kernel with CONFIG_BPF_SYSCALL=y, such as that of a distribution',
    }
  }
  const mend = `mount -t bpf bpf ${USUAL}`
  if (!hasCapability(machine, 'CAP_SYS_ADMIN')) {
    return {
      ...finding,
      level: 'fatal',
      means: `${means} Without CAP_SYS_ADMIN it cannot be mounted from here.`,
      mend,
    }
  }
  if (purpose === 'self-test') return { ...finding, level: 'fatal', mend }
  if (purpose === 'agent' && !mountsLast(machine)) {
    return {
      ...finding,
      level: 'fatal',
      means: `${means} Mounted from in here, it would end with this container, and bytes in flight with it.`,
      mend: `run on the host, not in this container: ${mend}`,
    }
  }
  const lasting = purpose === 'agent' ? 'The agent mounts one.' : 'One is mounted for the time.'
  return {
    ...finding,
    level: 'note',
    means: `${means} ${lasting}`,
    mend,
    mounts: { type: 'bpf', at: USUAL },
  }
}

const isKnown = (machine: Machine): boolean =>
  /^nodev\tbpf$/m.test(machine.read('/proc/filesystems') ?? '')

/** Whether a mount outlives this process. A mount ends with the last process of its mount namespace. */
function mountsLast(machine: Machine): boolean {
  if (mountOf(machine.mounts, USUAL)?.shared) return true
  const own = machine.link('/proc/self/ns/mnt')
  return machine.pid !== 1 && own !== undefined && own === machine.link('/proc/1/ns/mnt')
}
