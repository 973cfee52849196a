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
    'A connection with the option is never joined (`socket-option`). One that gets it after the join is not watched for.',
}

const blockingEagain = {
  why: 'The receive of a member waits once only, and takes whatever wakes it without data for a time-out.',
  remedy:
    'Nothing yet. Non-blocking readers are not affected; a member that half-closes leaves at once for this reason.',
}

const unreadAtClose = {
  why: 'Redirected bytes are in a queue that `tcp_close` does not look at: it sends FIN, where bytes in the TCP queue would make it send RST.',
  who: 'A sender that takes a clean end of file for the peer having read everything. One that sends on gets the reset after its next send.',
  remedy: 'Nothing: HTTP and other protocols with answers do not rely on it.',
}

const urgent = {
  why: 'The redirect does not know of urgent bytes: `MSG_OOB` is sent as an ordinary byte, and the reader has no mark.',
  remedy:
    'A reader that asks for urgent bytes, by `MSG_OOB` or `SO_OOBINLINE`, is never joined; one that begins to by `MSG_OOB` is quarantined. A sender of urgent bytes is not recognised.',
}

export const differences: Readonly<Record<string, Explanation>> = {
  'no-bytes': {
    why: '`tcp_bpf_recvmsg` answers a receive of no bytes at once.',
    who: 'Nobody that we know of.',
    remedy: 'Nothing.',
  },
  'bad-buffer': {
    why: 'Bytes that were copied before the bad page count as received; TCP gives up the whole copy.',
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
    who: 'Programs that peek on at an offset (Linux 6.9), of which we know none.',
    remedy: controlMessages.remedy,
  },
  'tcp-inq': {
    ...controlMessages,
    who: 'Programs that take a missing `TCP_CM_INQ` for an empty queue. gRPC, which sets the option on every connection, takes it for a queue that may hold more, and reads on.',
    remedy: 'Nothing: to bar it would keep gRPC on TCP, which does without.',
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
    why: 'A mapped receive takes bytes from the TCP queue only, and redirected ones stay unread.',
    who: 'A program that begins to use it on a connection that it has read by recv before.',
    remedy: 'One that uses it from the start is never joined. Later on it is not watched for.',
  },
  'msg-more': {
    why: 'A redirect does not hold bytes back.',
    who: 'Nobody: they arrive earlier, as TCP may deliver them, too.',
    remedy: 'Nothing.',
  },
  'tcp-cork': {
    why: 'A redirect does not hold bytes back.',
    who: 'Nobody: they arrive earlier, as TCP may deliver them, too.',
    remedy: 'Nothing.',
  },
  'msg-zerocopy': {
    why: 'A member copies, and completes nothing on the error queue.',
    who: 'A sender that sets `SO_ZEROCOPY` on a connection that it has used without before: it waits for completions for ever.',
    remedy: 'One that sets it before is never joined.',
  },
  'io-uring-send-zerocopy': {
    why: 'The kernel clears `SOCK_SUPPORT_ZC` of a member, and does not set it again when it leaves.',
    who: 'Programs that send by `IORING_OP_SEND_ZC` and do not fall back on EOPNOTSUPP.',
    remedy: 'Nothing yet.',
  },
  'msg-oob-unexpected': {
    ...urgent,
    who: 'A reader that does not know of urgent bytes while its peer sends them: **it gets a byte that TCP would have kept out of the stream.** Telnet, rlogin and FTP control connections send them.',
  },
  'msg-oob-received': {
    ...urgent,
    who: 'A reader that begins to ask for urgent bytes on a connection that it has read without before: it gets an ordinary byte for one, once.',
  },
  'so-oobinline': { ...urgent, who: 'Readers of urgent bytes in line: the mark is missing.' },
  'msg-waitall': {
    why: '`MSG_WAITALL` does not wait for redirected bytes.',
    who: 'A program that turns to `MSG_WAITALL` on a connection that it has read without before: one short read, and then an error.',
    remedy:
      'One that uses it from the start is never joined. One that turns to it is quarantined; it leaves, and where it got less than it asked for, the connection is reset, so that it cannot take what follows for the next message.',
  },
  'msg-trunc': {
    why: 'Redirected bytes cannot be thrown away unread: EFAULT without a buffer, or a copy into it.',
    who: 'A program that turns to `MSG_TRUNC` on a connection that it has read without before.',
    remedy:
      'One that uses it from the start is never joined. One that turns to it leaves, and is quarantined.',
  },
  'half-close-while-waiting': {
    ...blockingEagain,
    who: 'Programs that half-close while another thread of theirs waits for the answer, or before they have read what has come: EAGAIN once the end is acknowledged, if the answer comes later than that.',
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
    who: 'Several threads that block on one socket: those that another one was faster than get EAGAIN.',
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
    why: 'The sequence numbers count what went by TCP only.',
    who: 'CRIU, when it checkpoints a process with live connections: redirected bytes that are unread would be restored twice or not at all.',
    remedy: 'Disable the pod first; its connections leave, and nothing is unread then.',
  },
  'tcp-info': {
    why: 'Redirected bytes are no TCP segments.',
    who: 'Monitoring that reads TCP_INFO: accelerated connections look idle.',
    remedy: '`meshaccel flows` counts them.',
  },
  'conntrack-expires': {
    why: 'An accelerated connection sends no packets, so that conntrack forgets it; what has to pass it later (here the FIN) is dropped where a rule drops INVALID.',
    who: 'Nodes with such a rule, and connections that stay accelerated for longer than the conntrack time-out (five days, unless it is set) without a keepalive.',
    remedy:
      'A keepalive of the application below the time-out helps: see conntrack-expires-keepalive.',
  },
  'packets-dropped': {
    why: 'Accelerated bytes pass no packet filter.',
    who: 'Rules that are to cut a connection that runs already.',
    remedy: 'Disable the pod, or end the connection. What is refused from the start stays refused.',
  },
  'splice-in-unread': {
    why: 'Splice never sees redirected bytes.',
    who: 'A program that turns to splice on a connection that it has read by recv before.',
    remedy:
      'One that splices from the start is never joined. One that turns to it is quarantined, and the connection is reset if redirected bytes are unread, so that no byte is wrong.',
  },
  'splice-in-io-uring': {
    why: 'Splice never sees redirected bytes, and io_uring makes no system call that could be watched.',
    who: 'A program that turns to splice by io_uring on a connection that it has read by recv before.',
    remedy: 'One that splices from the start is never joined. Later on it is not watched for.',
  },
}
