/** Every reason in words: its meaning, and what to do about it if possible. */

import type { Reason } from '../../../api/views.ts'
import { oldestKernel } from '../../../lib/oldest-kernel.ts'

export interface Words {
  /** Half a sentence. */
  readonly means: string
  /** A whole sentence. NAMESPACE and NAME stand for the pod's names. */
  readonly next?: string
}

const nothingToDo = 'Nothing: TCP is right for it.'

/** Why a pod is not enrolled. */
export const ofPods: Readonly<Record<string, Words>> = {
  disabled: {
    means: 'nobody has enabled it',
    next:
      'Run `kubectl annotate namespace NAMESPACE meshaccel.io/enabled=true`, or annotate the pod alone: ' +
      '`kubectl -n NAMESPACE annotate pod NAME meshaccel.io/enabled=true` (in a pods file `enabled: true`).',
  },
  'no-mesh': {
    means: 'it has no sidecar of a known mesh',
    next:
      'Inject the sidecar (Istio: `kubectl label namespace NAMESPACE istio-injection=enabled`) and restart the pod; ' +
      'in a pods file name `mesh` or `proxyUid`.',
  },
  'host-network': {
    means: "it uses the host's network, where no sidecar intercepts",
    next: nothingToDo,
  },
  finished: { means: 'its containers have ended for good' },
  ambient: {
    means:
      "it belongs to Istio's ambient mesh and ztunnel does not serve it yet, or it is ztunnel itself",
    next:
      'Pods are enrolled once istio-cni has annotated them with `ambient.istio.io/redirection: enabled`: ' +
      'see `kubectl -n NAMESPACE get pod NAME -o yaml`.',
  },
  'exclusions-invalid': {
    means:
      'a `meshaccel.io/exclude-*` annotation of the pod or its namespace is invalid or misspelt, so all of its ' +
      'traffic stays on TCP',
    next: '`kubectl -n NAMESPACE describe pod NAME` and `kubectl describe namespace NAMESPACE` show it.',
  },
  'annotation-unknown': {
    means:
      'an annotation of the pod or its namespace looks like a `meshaccel.io/` annotation but is unknown, so all of its traffic ' +
      'stays on TCP',
    next:
      'Correct it or remove it: `kubectl -n NAMESPACE describe pod NAME` and ' +
      '`kubectl describe namespace NAMESPACE` show it.',
  },
  'netns-unknown': {
    means: 'its network namespace has not been found yet',
    next: 'If this persists, read in the log which container runtime was asked. Name another one with `--cri`.',
  },
  'duplicate-netns': {
    means: 'an earlier pod has the same network namespace',
    next: 'Two entries name the same namespace: remove the wrong entry.',
  },
  'netns-gone': {
    means: 'its network namespace cannot be found',
    next: 'Check that it still runs on this node: `meshaccel pods` shows the pods that do.',
  },
  'pid-gone': {
    means: 'the process whose pid names it has ended',
    next: 'Name the pid of a running process, or the netns.',
  },
  'not-a-netns': {
    means: 'the file named as its network namespace is something else',
    next: 'Name a file such as /run/netns/NAME or /proc/PID/ns/net.',
  },
  'netns-forbidden': {
    means: 'the agent may not enter its network namespace',
    next: 'The agent needs CAP_SYS_ADMIN and CAP_SYS_PTRACE.',
  },
  'outside-cgroup': {
    means:
      'its processes run outside of the cgroup that the agent watches, so the agent does not see them',
    next:
      "Name the root of the host's cgroup v2 hierarchy with --cgroup; in a container: `docker run --cgroupns=host`. " +
      '`meshaccel doctor` shows what is visible.',
  },
  'foreign-user-namespace': {
    means: 'its network namespace belongs to another user namespace',
    next: 'Such pods stay on TCP.',
  },
  'netns-cookie-unsupported': {
    means: 'this kernel cannot tell network namespaces apart',
    next: `Boot Linux ${oldestKernel} or newer.`,
  },
  refused: {
    means: 'the self-test refuses this kernel',
    next: 'Run `meshaccel doctor`: it names the probe that failed.',
  },
  'enrol-failed': {
    means: 'the agent failed to enrol it, and tries again',
    next: "The agent's log says why.",
  },
}

/** Why a send, a connection or an end did not take the fast path. */
export const ofTraffic: Readonly<Record<Exclude<Reason, 'none'>, Words>> = {
  leaving: { means: 'it is on its way back to TCP' },
  undrained: { means: 'bytes sent by TCP are still unread, and order comes first' },
  'blocked-reader': {
    means:
      'its reader may still be in a receive that began before the join; it is accelerated after the next message',
  },
  'cap-bytes': {
    means:
      'its reader is slow: as many redirected bytes are unread as the cap or its receive buffer allows',
    next:
      'Find out what the reading program waits for. The connection is accelerated again once it has caught up. ' +
      "The agent's `--cap` lets more bytes wait.",
  },
  'cap-messages': {
    means: 'its reader is slow: as many redirected messages as the cap allows are unread',
    next: 'Find out what the reading program waits for. The connection is accelerated again once it has caught up.',
  },
  'tcp-memory': {
    means: "the node's TCP memory is tight",
    next: 'See /proc/net/sockstat and net.ipv4.tcp_mem.',
  },
  'memory-budget': {
    means:
      'redirected and unread messages use all the kernel memory that the budget of its pod or of the node allows',
    next: 'Find out what its readers wait for. `meshaccel flows` shows what is unread.',
  },
  rcvlowat: {
    means:
      'its reader waits for more than one byte (SO_RCVLOWAT), which redirected bytes do not honour',
    next: nothingToDo,
  },
  state: { means: 'it is opening or closing' },
  'drained-off': {
    means: 'redirecting is switched off',
    next: 'Switch it on again with `meshaccel resume`.',
  },
  'agent-stale': {
    means: 'no agent has run for some seconds',
    next: 'Start it again: it adopts the live connections.',
  },
  'peer-gone': { means: 'its other end has just closed' },
  'unknown-reader': {
    means:
      'FIONREAD may hide redirected bytes from its reader on this kernel: only sidecars read them, or messages no longer than those read before',
    next: '`meshaccel doctor` says why; a newer kernel may allow more.',
  },
  stream: { means: 'it is a stream of small messages, which TCP carries faster' },
  'tcp-unread': { means: 'its reader left TCP bytes unread, and they come first' },
  'pod-disabled': { means: 'one of its pods was disabled' },
  excluded: {
    means: 'a rule of one of its pods excludes it, by port, address or uid',
    next: 'The rules are its `meshaccel.io/exclude-*` annotations (`exclude` in a pods file).',
  },
  'reader-changed': {
    means: 'its reader started to read in a way that redirected bytes do not survive',
    next: '`meshaccel readers` names the program.',
  },
  'join-timeout': { means: 'its two ends did not both join in time' },
  'half-closed': { means: 'one end has closed its sending half (shutdown)' },
  'reader-holds-lock': {
    means:
      "its reader holds the socket's lock inside a receive, so the sender would have to wait for it",
    next: 'It is accelerated again after a pause. Page faults in the receive buffer are the usual cause.',
  },
  'blocking-reader': {
    means:
      'its reader blocks in receives, and on the fast path such a receive can fail with EAGAIN',
    next:
      'If the program can cope, annotate its pod or namespace with `meshaccel.io/blocking-readers=accelerate` ' +
      '(in a pods file `blockingReaders: accelerate`).',
  },
  'claimed-elsewhere': {
    means: "one of its sockets is in another program's sockmap",
    next: '`meshaccel doctor` lists the sockops and sk_msg programs of others on this node; see docs/NEIGHBOURS.md.',
  },
  reset: {
    means: 'it was reset: its reader would have missed some redirected bytes',
    next: '`meshaccel readers` names the program, which is quarantined now.',
  },
  short: { means: 'its ends have not answered each other often enough yet' },
  'remote-peer': {
    means: 'its other end is not in an enrolled pod of this node',
    next:
      'Both ends must be in enrolled pods of one node. `meshaccel pods` says why the other one is not enrolled. If it ' +
      'is on another node, a pod affinity brings the two together.',
  },
  mptcp: { means: 'it is Multipath TCP', next: nothingToDo },
  ulp: {
    means: 'the kernel encrypts it (kTLS) or another protocol is attached',
    next: nothingToDo,
  },
  zerocopy: { means: 'it sends without copying (SO_ZEROCOPY)', next: nothingToDo },
  'self-connect': { means: 'it is connected to itself' },
  'second-claim': {
    means: 'another socket claims to be the same end',
    next: 'Find out which program uses TCP_REPAIR or forges handshakes.',
  },
  'forged-handshake': {
    means: 'its handshake was not made by packets (TCP_REPAIR)',
    next: 'A migrated or forged socket; it stays on TCP.',
  },
  'table-full': { means: 'there are more connections than the tables hold' },
  busy: {
    means:
      'the kernel could not add its socket to the sockhash at that moment; the agent tries again',
  },
  'peer-unproven': { means: 'the reader at its other end is not proven yet' },
  unseen: { means: 'nothing has been read from it yet' },
  waitall: { means: 'its reader waits for whole buffers (MSG_WAITALL)', next: nothingToDo },
  'truncated-read': {
    means: 'its reader discards bytes or reads urgent data (MSG_TRUNC, MSG_OOB)',
    next: nothingToDo,
  },
  peeks: {
    means:
      'its reader looks at several bytes before it reads them (MSG_PEEK), and redirected bytes can hide later ones',
    next: nothingToDo,
  },
  unaccounted: {
    means:
      'its bytes leave the socket without recv: by splice, by a kernel reader, or by a mapped receive',
    next: nothingToDo,
  },
  'socket-option': {
    means:
      'its socket has an option that redirected bytes do not honour (time stamps, SO_PEEK_OFF, SO_OOBINLINE, an SO_RCVBUF below 128 KiB), or is bound to a device',
    next: nothingToDo,
  },
  splice: { means: 'its reader has started to use splice', next: nothingToDo },
  'asks-fionread': {
    means: 'its program asks FIONREAD, which this kernel answers wrongly on the fast path',
    next: nothingToDo,
  },
  quarantined: {
    means: 'its program is quarantined',
    next: '`meshaccel readers` shows the evidence, `meshaccel readers forgive` lifts it.',
  },
  overtaken: {
    means: 'its reader took TCP bytes before redirected bytes that were sent earlier',
    next: '`meshaccel readers` names the program.',
  },
  stuck: {
    means: 'a thread slept in a receive that does not see redirected bytes',
    next: '`meshaccel readers` names the program, which is quarantined now.',
  },
}

const unknown = (reason: string): Words => ({ means: reason })

export const wordsOfPod = (reason: string): Words => ofPods[reason] ?? unknown(reason)

/** An agent of another version may name others. */
const trafficWords: Readonly<Record<string, Words>> = ofTraffic
export const wordsOfTraffic = (reason: string): Words => trafficWords[reason] ?? unknown(reason)
