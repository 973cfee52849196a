/** Programs on network interfaces and netfilter hooks of the calling thread's network namespace. */
import { LibbpfError } from '../base-error.ts'
import { BPF_NETFILTER, BPF_TCX_EGRESS, BPF_TCX_INGRESS, BPF_XDP } from '../constants.ts'
import { check, checkLibc } from '../error.ts'
import * as ffi from '../ffi.ts'
import { Fd } from '../handle.ts'
import { requireLibbpf } from '../libbpf-version.ts'
import { createLink, type HasFd, Link } from '../link.ts'

/** Where XDP runs: `auto` lets the kernel choose, `generic` after the driver, `native` in it, `offload` in the device. */
export type XdpMode = 'auto' | 'generic' | 'native' | 'offload'

/** XDP_FLAGS_* of linux/if_link.h. */
const XDP_FLAGS: Readonly<Record<XdpMode, number>> = { auto: 0, generic: 2, native: 4, offload: 8 }

/** Packets that arrive, or those that leave. */
export type TcxDirection = 'ingress' | 'egress'

/** The point at which a netfilter program sees packets: `enum nf_inet_hooks`, in lower case. */
export type NetfilterHook = 'pre-routing' | 'local-in' | 'forward' | 'local-out' | 'post-routing'

const HOOKS: Readonly<Record<NetfilterHook, number>> = {
  'pre-routing': 0,
  'local-in': 1,
  forward: 2,
  'local-out': 3,
  'post-routing': 4,
}

/** Where a netfilter program stands. */
export interface NetfilterPlace {
  /** The packets' protocol. */
  readonly family: 'ipv4' | 'ipv6'
  /** Where on their way. */
  readonly hook: NetfilterHook
  /** Lower ones run first; neither -2147483648 nor 2147483647, and nobody else's at this hook. */
  readonly priority: number
}

const NFPROTO = { ipv4: 2, ipv6: 10 } as const

/** The number of an interface in the calling thread's network namespace. */
function interfaceIndex(name: string, what: string): number {
  return checkLibc(
    `attach ${what}`,
    () => ffi.if_nametoindex(name) || -1,
    'The network namespace has no such interface: `ip link` lists them.',
  )
}

/** Attaches an XDP program to an interface. */
export function attachXdp(program: HasFd, name: string, to: string, mode: XdpMode): Link {
  const what = `${name} to XDP of ${to}`
  return createLink(what, program, interfaceIndex(to, what), BPF_XDP, {
    opts: { sz: ffi.sizeofOpts('bpf_link_create_opts'), flags: XDP_FLAGS[mode] },
    hint: {
      EBUSY: 'The interface has an XDP program already: `bpftool net` shows it.',
      EOPNOTSUPP: 'The driver has no native XDP: use the mode generic.',
      EINVAL: 'The kernel is older than 5.9, or the interface takes no XDP program in this mode.',
    },
  })
}

/** Attaches a tc program behind those that the interface has. */
export function attachTcx(program: HasFd, name: string, to: string, direction: TcxDirection): Link {
  const what = `${name} to tcx ${direction} of ${to}`
  const type = direction === 'ingress' ? BPF_TCX_INGRESS : BPF_TCX_EGRESS
  return createLink(what, program, interfaceIndex(to, what), type, {
    hint: { EINVAL: 'tcx needs Linux 6.6 (CONFIG_NET_XGRESS), and a SEC("tc") program.' },
  })
}

/** Attaches a netfilter program to a hook. */
export function attachNetfilter(program: HasFd, name: string, place: NetfilterPlace): Link {
  const what = `${name} to netfilter ${place.family} ${place.hook}`
  if (!Object.hasOwn(HOOKS, place.hook)) {
    throw new LibbpfError(`there is no hook ${place.hook}`, {
      code: 'NO_SUCH_HOOK',
      operation: `attach ${what}`,
      hint: `Use one of ${Object.keys(HOOKS).join(', ')}.`,
    })
  }
  requireLibbpf(`attach ${what}`, 'Netfilter links', 1, 3)
  const number = check(
    `attach ${what}`,
    () =>
      ffi.bpf_link_create_netfilter(program.fd, 0, BPF_NETFILTER, {
        sz: ffi.sizeofOpts('bpf_netfilter_link_opts'),
        pf: NFPROTO[place.family],
        hooknum: HOOKS[place.hook],
        priority: place.priority,
        netfilter_flags: 0,
      }),
    {
      EINVAL: 'Netfilter links need Linux 6.4 (CONFIG_NETFILTER_BPF_LINK).',
      EBUSY: 'Another program has this priority at this hook.',
    },
  )
  return new Link(new Fd(number, what))
}
