/** The meaning of each probe's answers. The agent stores only the answers; the words can be added at any time. */
import type { ProbeName } from './policy.ts'

interface ProbeWords {
  readonly ok: string
  readonly failed: string
  /** The consequence of a failure, or what to do about it. */
  readonly hint?: string
}

export const probeWords: Readonly<Record<ProbeName, ProbeWords>> = {
  'programs-load': {
    ok: 'the verifier takes every program',
    failed: 'the verifier does not take every program',
    hint: '"invalid func" means that this kernel is too old: it does not have that BPF helper.',
  },
  'netns-cookie': {
    ok: 'network namespaces can be told apart',
    failed: 'network namespaces cannot be told apart',
  },
  'late-join': {
    ok: 'a running connection joins, and its bytes arrive',
    failed: 'a running connection does not join, or its bytes do not arrive',
  },
  'receive-accounting': {
    ok: 'redirected bytes are charged to the reader',
    failed: 'redirected bytes are not charged to the reader, so nothing bounds a slow reader',
  },
  'fionread-redirected': {
    ok: 'FIONREAD counts redirected bytes',
    failed: 'FIONREAD does not count redirected bytes',
    hint: 'Programs that ask FIONREAD stay on TCP if the kernel lets us see them (fionread-watch). Otherwise only sidecars get redirected bytes, because they do not ask. Newer kernels count them: 6.12.117, 7.2.12.',
  },
  splice: {
    ok: 'splice finds redirected bytes',
    failed: 'splice does not find redirected bytes',
    hint: 'Connections whose reader splices never join.',
  },
  'splice-watch': {
    ok: 'a reader that starts to use splice is seen in time',
    failed: 'a reader that starts to use splice is not seen',
    hint: 'This needs the tracepoint syscalls/sys_enter_splice (CONFIG_FTRACE_SYSCALLS). Without it only sidecars get redirected bytes.',
  },
  ordering: {
    ok: 'bytes keep their order over changes of the path',
    failed: 'bytes are lost or reordered when the path changes',
  },
  'fionread-tcp': {
    ok: "FIONREAD counts a member's TCP bytes",
    failed: "FIONREAD does not count a member's TCP bytes",
    hint: 'A connection that falls back to TCP leaves the fast path at once. Newer kernels count them: 6.12.117, 7.2.12.',
  },
  'fionread-watch': {
    ok: 'a program that asks FIONREAD is seen',
    failed: 'a program that asks FIONREAD is not seen',
    hint: 'It matters only where FIONREAD hides redirected bytes, and for `--policy full`. It needs kprobes (CONFIG_KPROBE_EVENTS).',
  },
  wake: {
    ok: 'the agent can wake a reader that waits for an edge',
    failed:
      'the agent cannot wake a reader that waits for an edge: setting SO_RCVLOWAT wakes nobody',
    hint: 'Linux 6.1 can do so.',
  },
  'half-close': {
    ok: 'a half-closed connection delivers its redirected bytes before the end',
    failed: 'a half-closed connection ends before its redirected bytes are read',
  },
  reset: {
    ok: 'a reset is seen',
    failed: 'a reset looks like an orderly end',
  },
  mptcp: {
    ok: 'bytes arrive through an MPTCP listener, where the kernel has MPTCP',
    failed: 'bytes do not arrive through an MPTCP listener',
  },
  'foreign-programs': {
    ok: 'no other sockops or sk_msg program',
    failed: 'there are other sockops or sk_msg programs',
    hint: 'A socket in the sockmap of another program cannot join; `bpftool prog show` shows these programs.',
  },
}
