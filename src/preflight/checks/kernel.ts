import { hasCapability } from '../capabilities.ts'
import { kernelBtfPath, missingBtf, wordsOfBtf } from '../../lib/btf-choice.ts'
import type { Check, Finding } from '../finding.ts'

export const btf: Check = (machine, { purpose, btf: given }) => {
  if (purpose === 'cleanup') return undefined
  const choice = machine.btf(given)
  if (choice.from === 'missing') {
    const means = 'The programs are fitted to the kernel by this file.'
    return { check: 'btf', level: 'fatal', means, ...missingBtf(choice.path) }
  }
  const isVisible = machine.btf().from === 'sysfs'
  if (isVisible && choice.from !== 'file') return undefined
  const kernels = isVisible || machine.kernelBtf()
  if (kernels === true) {
    const fitted = `The programs are fitted to the types in ${wordsOfBtf(choice)}.`
    return {
      check: 'btf',
      level: 'note',
      found: isVisible
        ? `the types are not taken from ${kernelBtfPath}`
        : `the kernel hides its types: there is no ${kernelBtfPath}`,
      means: isVisible
        ? fitted
        : `${fitted} The kernel has the numbers of its functions in memory, and those are read there.`,
    }
  }
  if (kernels === false) return noBtf
  return {
    check: 'btf',
    level: 'refused',
    found: `there is no ${kernelBtfPath}, and the kernel does not show its types to this process (${kernels})`,
    means: 'Programs are attached by the numbers that functions have in these types.',
    mend: 'mount -t sysfs sysfs /sys; or run it with CAP_SYS_ADMIN, and docker run --cap-add=SYS_ADMIN',
  }
}

/** A BTF file does not help there: the kernel itself looks up what a program is attached to. */
const noBtf: Finding = {
  check: 'btf',
  level: 'refused',
  found: `the kernel has no types: there is no ${kernelBtfPath}, and none in its memory`,
  means:
    'The kernel attaches iterators and tracing programs by its own types. A file from `meshaccel btf` cannot stand for them.',
  mend:
    'boot a kernel with CONFIG_DEBUG_INFO_BTF=y: those of Debian 12, Ubuntu 22.04, Fedora and RHEL 9 have it ' +
    '(grep BTF /boot/config-$(uname -r))',
}

/** Checks the lockdown mode. In the mode `integrity` BPF may still read kernel memory. */
export const lockdown: Check = (machine, { purpose }) => {
  const modes = machine.read('/sys/kernel/security/lockdown') ?? ''
  if (purpose === 'cleanup' || !modes.includes('[confidentiality]')) return undefined
  return {
    check: 'lockdown',
    level: 'refused',
    found: 'kernel lockdown is in the mode confidentiality',
    means: 'Programs may not read kernel memory then, and ours read the state of sockets.',
    mend: 'boot with lockdown=integrity, or without lockdown= on the kernel command line',
  }
}

const ENOUGH_BYTES = 64 << 20

/** Checks the limit of locked memory. Since Linux 5.11 the memory of maps is charged to the memory cgroup instead. */
export const lockedMemory: Check = (machine) => {
  const [major = 0, minor = 0] = (machine.read('/proc/sys/kernel/osrelease') ?? '')
    .split('.')
    .map((part) => Number.parseInt(part))
  if (major > 5 || (major === 5 && minor >= 11) || hasCapability(machine, 'CAP_SYS_RESOURCE')) {
    return undefined
  }
  const hard = /^Max locked memory\s+\S+\s+(\d+)/m.exec(
    machine.read('/proc/self/limits') ?? '',
  )?.[1]
  if (hard === undefined || Number(hard) >= ENOUGH_BYTES) return undefined
  return {
    check: 'locked-memory',
    level: 'refused',
    found: `RLIMIT_MEMLOCK is ${hard} bytes, and this kernel counts the memory of BPF maps`,
    means: 'Maps cannot be made within it.',
    mend: 'ulimit -l unlimited; LimitMEMLOCK=infinity for systemd; docker run --ulimit memlock=-1',
  }
}

export const wsl: Check = (machine) => {
  if (!/microsoft/i.test(machine.read('/proc/sys/kernel/osrelease') ?? '')) return undefined
  return {
    check: 'wsl',
    level: 'note',
    found: 'this is the Windows Subsystem for Linux',
    means:
      "Its kernel is Microsoft's, which all its distributions share; the self-test tells what it can do.",
    mend: 'wsl --update in Windows brings a newer kernel',
  }
}
