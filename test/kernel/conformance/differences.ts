/**
 * Why a case differs from plain TCP, which users it affects, and how the project handles it. docs/SEMANTICS.md shows
 * it.
 */
export interface Explanation {
  readonly why: string
  readonly who: string
  readonly remedy: string
}

const controlMessages = {
  why: 'Redirected bytes come without control messages: only `tcp_recvmsg` makes them.',
  remedy:
    'A connection with the option never joins (`socket-option`). An option that is set after the join is not noticed.',
}

const blockingEagain = {
  why: 'The receive of a member waits only once. If something wakes it without data, it takes that for a time-out.',
  remedy:
    'Nothing yet. Non-blocking readers are not affected. A member that half-closes leaves at once for this reason.',
}

const unreadAtClose = {
  why: '`tcp_close` does not look at the queue of redirected bytes, so it sends FIN. Bytes in the TCP queue would make it send RST.',
  who: 'A sender that takes a clean end of file as proof that the peer has read everything. If it sends more, it gets the reset after its next send.',
  remedy: 'Nothing: HTTP and other protocols with answers do not rely on it.',
}

const urgent = {
  why: 'The redirect does not know urgent bytes: `MSG_OOB` is sent as an ordinary byte, and the reader has no mark.',
  remedy:
    'A reader that asks for urgent bytes, by `MSG_OOB` or `SO_OOBINLINE`, never joins. A reader that starts to use `MSG_OOB` is quarantined. A sender of urgent bytes is not recognised.',
}

export const differences: Readonly<Record<string, Explanation>> = {
  'no-bytes': {
    why: '`tcp_bpf_recvmsg` answers a receive of no bytes at once.',
    who: 'Nobody that we know of.',
    remedy: 'Nothing.',
  },
  'bad-buffer': {
    why: 'Bytes that were copied before the bad page count as received. TCP gives up the whole copy.',
    who: 'Programs that hand the kernel a bad address. No byte is lost.',
    remedy: 'Nothing.',
  },
  'send-bad-buffer': {
    why: '`tcp_bpf_sendmsg` drops the error when nothing was copied.',
    who: 'Programs that hand the kernel a bad address: 0 instead of EFAULT. Nothing is sent either way.',
    remedy: 'Nothing.',
  },
  'so-peek-off': {
    why: '`MSG_PEEK` of redirected bytes begins at the first of them, whatever the offset.',
    who: 'Programs that peek on at an offset (Linux 6.9). We know none.',
    remedy: controlMessages.remedy,
  },
  'tcp-inq': {
    ...controlMessages,
    who: 'Programs that take a missing `TCP_CM_INQ` for an empty queue. gRPC sets the option on every connection. It takes a missing answer for a queue that may hold more, and reads on.',
    remedy:
      'Nothing. Refusing the option would keep gRPC on TCP, and gRPC works without the answer.',
  },
  'so-timestamp': { ...controlMessages, who: 'Programs that measure by receive time stamps.' },
  'so-timestamping-receive': {
    ...controlMessages,
    who: 'Programs that measure by receive time stamps.',
  },
  'so-timestamping-send': {
    why: 'Redirected bytes are never transmitted or acknowledged.',
    who: 'Programs that wait for time stamps of what they sent, as gRPC does when it traces.',
    remedy: controlMessages.remedy,
  },
  'tcp-zerocopy-receive': {
    why: 'A mapped receive takes bytes from the TCP queue only. Redirected bytes stay unread.',
    who: 'A program that starts to use it on a connection that it has read by recv so far.',
    remedy: 'A program that uses it from the start never joins. A later start is not noticed.',
  },
  'msg-more': {
    why: 'A redirect does not hold bytes back.',
    who: 'Nobody. The bytes arrive earlier, and TCP may do the same.',
    remedy: 'Nothing.',
  },
  'tcp-cork': {
    why: 'A redirect does not hold bytes back.',
    who: 'Nobody. The bytes arrive earlier, and TCP may do the same.',
    remedy: 'Nothing.',
  },
  'msg-zerocopy': {
    why: 'A member copies, and completes nothing on the error queue.',
    who: 'A sender that sets `SO_ZEROCOPY` on a connection that it has used without so far. It waits for completions for ever.',
    remedy: 'A sender that sets it before the join never joins.',
  },
  'io-uring-send-zerocopy': {
    why: 'The kernel clears `SOCK_SUPPORT_ZC` of a member, and does not set it again when it leaves.',
    who: 'Programs that send by `IORING_OP_SEND_ZC` and do not fall back on EOPNOTSUPP.',
    remedy: 'Nothing yet.',
  },
  'msg-oob-unexpected': {
    ...urgent,
    who: 'A reader that does not know urgent bytes while its peer sends them: **it gets a byte that TCP would have kept out of the stream.** Telnet, rlogin and FTP control connections send them.',
  },
  'msg-oob-received': {
    ...urgent,
    who: 'A reader that starts to ask for urgent bytes on a connection that it has read without so far. It gets an ordinary byte for an urgent one, once.',
  },
  'so-oobinline': { ...urgent, who: 'Readers of urgent bytes in line: the mark is missing.' },
  'msg-waitall': {
    why: '`MSG_WAITALL` does not wait for redirected bytes.',
    who: 'A program that starts to use `MSG_WAITALL` on a connection that it has read without so far. It gets one short read, and then an error.',
    remedy:
      'A program that uses it from the start never joins. A program that starts later is quarantined, and its connection leaves. If it got less than it asked for, the connection is reset. So it cannot take the following bytes for the next message.',
  },
  'msg-trunc': {
    why: 'Redirected bytes cannot be thrown away unread: EFAULT without a buffer, or a copy into it.',
    who: 'A program that starts to use `MSG_TRUNC` on a connection that it has read without so far.',
    remedy:
      'A program that uses it from the start never joins. A program that starts later is quarantined, and its connection leaves.',
  },
  'half-close-while-waiting': {
    ...blockingEagain,
    who: 'Programs that half-close while another thread of theirs waits for the answer, or before they have read all that has come. They get EAGAIN once the end is acknowledged, if the answer comes later.',
  },
  'shutdown-wakes-own-reader': {
    ...blockingEagain,
    who: 'Programs that end a blocked thread by shutting its socket down: EAGAIN instead of end of file.',
  },
  'reset-blocked-reader': {
    ...blockingEagain,
    who: 'Blocking readers whose peer resets: EAGAIN instead of ECONNRESET, which SO_ERROR still has.',
  },
  'many-readers': {
    ...blockingEagain,
    who: 'Several threads that block on one socket: the threads that come too late get EAGAIN.',
  },
  'signal-sa-restart': {
    ...blockingEagain,
    who: 'Blocking readers that handle signals: EAGAIN where the call would have been restarted.',
  },
  'signal-without-restart': {
    ...blockingEagain,
    who: 'Blocking readers that handle signals: EAGAIN instead of EINTR.',
  },
  'so-rcvtimeo-and-signal': {
    ...blockingEagain,
    who: 'Blocking readers with a time-out that handle signals: EAGAIN, as if it had passed, instead of EINTR.',
  },
  'close-unread': unreadAtClose,
  'close-half-read': unreadAtClose,
  'killed-with-unread': unreadAtClose,
  'tcp-repair-checkpoint': {
    why: 'The sequence numbers count only bytes that went by TCP.',
    who: 'CRIU, when it checkpoints a process with live connections. Unread redirected bytes would be restored twice or not at all.',
    remedy: 'Disable the pod first. Its connections leave, and nothing is unread then.',
  },
  'tcp-info': {
    why: 'Redirected bytes are no TCP segments.',
    who: 'Monitoring that reads TCP_INFO: accelerated connections look idle.',
    remedy: '`meshaccel flows` counts them.',
  },
  'conntrack-expires': {
    why: 'An accelerated connection sends no packets, so conntrack forgets it. If a rule drops INVALID, it then drops later packets, here the FIN.',
    who: 'Nodes with such a rule. It affects connections that stay accelerated for longer than the conntrack time-out (five days, unless it is set) without a keepalive.',
    remedy:
      'A keepalive of the application below the time-out helps: see conntrack-expires-keepalive.',
  },
  'packets-dropped': {
    why: 'Accelerated bytes pass no packet filter.',
    who: 'Rules that should cut a connection that runs already.',
    remedy:
      'Disable the pod, or end the connection. A connection that is refused from the start stays refused.',
  },
  'splice-in-unread': {
    why: 'Splice never sees redirected bytes.',
    who: 'A program that starts to splice on a connection that it has read by recv so far.',
    remedy:
      'A program that splices from the start never joins. A program that starts later is quarantined. If redirected bytes are unread, the connection is reset, so no byte is wrong.',
  },
  'splice-in-io-uring': {
    why: 'Splice never sees redirected bytes. io_uring makes no system call that we could watch.',
    who: 'A program that starts to splice by io_uring on a connection that it has read by recv so far.',
    remedy: 'A program that splices from the start never joins. A later start is not noticed.',
  },
}
