/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Shared by the programs and the agent: limits, reasons, and the layout of every map's key and
 * value. `npm run generate` writes src/datapath/{generated-names,maps/generated}.ts from it. */
#ifndef MESHACCEL_H
#define MESHACCEL_H

/* Sockets that can be watched at the same time, and connections that can be paired. Any more stay
 * on TCP (table-full). */
#define MAX_WATCHED 262144
#define MAX_CONNS   65536
#define MAX_PODS    4096
/* Quarantined programs. A new one replaces the oldest. */
#define MAX_QUARANTINED 4096
/* Rules of each kind with which a pod may keep connections on TCP. */
#define MAX_RULES 32

#define EVENTS_BYTES (256 * 1024)

/* Redirected messages of a direction that may be unread. */
#define CAP_MESSAGES 256
/* Memory that the kernel keeps for each message beside its bytes, and charges to nobody: a struct
 * sk_msg in a slab object of this size. */
#define MESSAGE_BYTES 1024
/* Kernel memory that each direction of a member may hold. The join pays for it. A direction that
 * needs more takes chunks. memory.bpf.h explains the budgets. */
#define DIRECTION_BYTES (8 * 1024)
#define CHUNK_BYTES	(64 * 1024)

/* An end is proven after this many receives in a row that account for all that left its TCP queue.
 * Each receive that does not doubles the number, up to the limit. The kernel skips a program now
 * and then, so a single unexplained receive is no evidence of a habit. */
#define PROOF_RECEIVES	   4
#define PROOF_RECEIVES_MAX 16
/* A connection is worth joining after this many turns. Each postponed join doubles the number, up
 * to the limit. */
#define TURNS	  4
#define TURNS_MAX 4096

/* A reader that has left the first TCP bytes of this many joins unread asks FIONREAD before it
 * reads: see tcp_drained(). */
#define HESITANT_JOINS 2

/* R4: this many sends without an answer are a stream, if they are smaller than this on average. */
#define STREAM_MESSAGES	     64
#define STREAM_MESSAGE_BYTES 4096

#define MSEC   (1000ULL * 1000)
#define SEC_NS (1000 * MSEC)
/* An end waits this long for its peer to appear before the peer counts as remote. */
#define PAIRING_NS (2 * SEC_NS)
/* After this time no scan hurries for it any more, and only one scan in so many has it visited. */
#define PATIENT_NS    (200 * MSEC)
#define PATIENT_SCANS 4
/* Both ends may take this long to enter the sockhash. */
#define JOINING_NS (1 * SEC_NS)
/* A leaving connection looks this long for a drained point before it is sealed without one. */
#define STOPPING_NS (300 * MSEC)
/* Another agent has put a socket of the connection into its sockmap: the next attempt comes after
 * this time. */
#define CLAIMED_NS (60 * SEC_NS)
/* A connection that has left may join again after this time. The time doubles with each leave, up
 * to the limit. It does not apply after some reasons: see back_off(). */
#define BACKOFF_NS  (100 * MSEC)
#define BACKOFF_MAX 5
/* A member is kicked if its TCP bytes lie unread from one scan to the next. After this many such
 * scans it leaves. */
#define STUCK_SCANS 5
/* A thread sleeps in a receive that does not see redirected bytes. If redirected bytes lie unread
 * during this many sweeps in a row, they will never be read. */
#define SWEEP_NS     (200 * MSEC)
#define STUCK_SWEEPS 3
/* A reader that holds its socket's lock over this many sweeps in a row makes its peer wait in send.
 */
#define HELD_SWEEPS 3
/* The agent counts as dead when it has not scanned for this long. */
#define HEARTBEAT_NS (5 * SEC_NS)
/* After this long without a scan no agent may be running to return a flow over the cap to TCP. */
#define ABSENT_NS (1 * SEC_NS)
/* A flow over the cap stays redirected up to this many caps while no splice watch is attached. It
 * also applies while no agent is running. */
#define HARD_CAP_FACTOR 8

/* Flaws of the kernel's FIONREAD on a member. Programs that ask it are left alone there. */
#define FIONREAD_HIDES_REDIRECTED 1
#define FIONREAD_HIDES_TCP	  2
/* A reader that reads only a part of what is there, and does not ask how much is left. */
#define READS_WITHOUT_ASKING 0xffffffff

enum role {
	ROLE_CLIENT,
	ROLE_SERVER,
	ROLES,
};

/* Why a send, a connection or an end did not take the fast path. */
enum reason {
	REASON_NONE,
	/* the verdict, per message */
	REASON_LEAVING,
	REASON_UNDRAINED,
	REASON_BLOCKED_READER,
	REASON_CAP_BYTES,
	REASON_CAP_MESSAGES,
	REASON_TCP_MEMORY,
	/* The pod or the node has used up its budget for redirected and unread messages. */
	REASON_MEMORY_BUDGET,
	REASON_RCVLOWAT,
	REASON_STATE,
	REASON_DRAINED_OFF,
	REASON_AGENT_STALE,
	REASON_PEER_GONE,
	REASON_UNKNOWN_READER,
	/* why a member left, per connection */
	REASON_STREAM,
	REASON_TCP_UNREAD,
	REASON_POD_DISABLED,
	/* Also a reason not to join. */
	REASON_EXCLUDED,
	REASON_READER_CHANGED,
	REASON_JOIN_TIMEOUT,
	REASON_HALF_CLOSED,
	/* Its reader holds the socket's lock, for instance in a page fault. */
	REASON_READER_HOLDS_LOCK,
	/* Also a reason not to join: its reader blocks in receives. */
	REASON_BLOCKING_READER,
	/* Also a reason not to join: a socket is in another agent's sockmap. */
	REASON_CLAIMED_ELSEWHERE,
	/* Reset: redirected bytes were unread that the reader would not have seen. */
	REASON_RESET,
	/* why a connection did not join, per end */
	REASON_SHORT,
	REASON_REMOTE_PEER,
	REASON_MPTCP,
	REASON_ULP,
	REASON_ZEROCOPY,
	REASON_SOCKET_OPTION,
	REASON_SELF_CONNECT,
	REASON_SECOND_CLAIM,
	REASON_FORGED_HANDSHAKE,
	REASON_TABLE_FULL,
	REASON_BUSY,
	REASON_PEER_UNPROVEN,
	/* why an end is not proven, per end */
	REASON_UNSEEN,
	REASON_WAITALL,
	REASON_TRUNCATED_READ,
	REASON_PEEKS,
	REASON_UNACCOUNTED,
	REASON_SPLICE,
	/* Its program asks FIONREAD, to which the kernel gives a wrong answer for members. */
	REASON_ASKS_FIONREAD,
	REASON_QUARANTINED,
	/* The reader sleeps in a receive that does not see redirected bytes. */
	REASON_STUCK,
	/* TCP bytes were read before redirected bytes that had been sent earlier. */
	REASON_OVERTAKEN,
	REASONS,
};

/* The sequence numbers of the first bytes of both directions. The two kernels chose them, and NAT
 * leaves them alone. An end's key in the sockhash begins with its own number. The identity of a
 * connection is the key of its client. */
struct isn_pair {
	__u32 own;
	__u32 peer;
};

struct port_range {
	__u16 from;
	__u16 to;
};

struct cidr {
	/* AF_INET or AF_INET6 */
	__u32 family;
	/* In network byte order. An IPv4 address is in the first word. */
	__u32 address[4];
	__u32 mask[4];
};

/* (gid_t)-1: no process has this gid. */
#define NO_GID 0xffffffff

struct pod {
	__u32 enabled;
	__u32 proxy_uid;
	/* The gid that tells the sidecar from other root processes; NO_GID where none does. */
	__u32 proxy_gid;
	/* Whether the pod's user accepts that connections with blocking readers join. */
	__u32 blocking_readers;
	/* The rules that keep connections on TCP (exclude.bpf.h): the number of each kind. */
	__u32 port_rules;
	__u32 cidr_rules;
	__u32 uid_rules;
	struct port_range ports[MAX_RULES];
	struct cidr cidrs[MAX_RULES];
	__u32 uids[MAX_RULES];
};

/* A program of a pod, by its executable. */
struct program {
	__u64 netns_cookie;
	__u64 exe_inode;
	__u32 exe_device;
	__u32 pad;
};

/* The evidence against a program. */
struct quarantine {
	__u64 since_ns;
	/* enum reason */
	__u32 reason;
	__u32 tgid;
	char comm[16];
};

enum event_kind {
	/* A program is kept off the fast path from now on. */
	EVENT_QUARANTINED,
	/* A connection is reset because of its reader. */
	EVENT_RESET,
	/* Sent by the measuring programs (measure.h), as a struct flow_event. */
	EVENT_SLOW_READ,
	EVENT_SLOW_REQUEST,
	/* A direction that was redirected takes TCP again. */
	EVENT_FALLBACK,
	/* A socket is barred from the fast path. */
	EVENT_REFUSED,
	/* The splice watch has to be attached. */
	EVENT_WATCH_SPLICE,
	EVENT_KINDS,
};

/* An event that the agent reports at once. */
struct event {
	__u64 netns_cookie;
	/* enum event_kind, enum reason */
	__u32 kind;
	__u32 reason;
	/* The reader. */
	__u32 tgid;
	__u32 pad;
	char comm[16];
};

/* A socket that is a member. */
struct member {
	__u32 slot;
	__u32 role;
};

struct config {
	/* 0 while the agent drains. */
	__u32 redirect;
	/* R3: bytes of a direction that may be redirected and unread. */
	__u32 cap_bytes;
	/* bpf_ktime_get_ns() of the last scan. */
	__u64 heartbeat_ns;
	/* Idle time in seconds before a member's first keepalive probe. 0 leaves sockets alone. */
	__u32 keepalive_s;
	/* Number of the current scan. */
	__u32 scan;
	/* Slots of conns that were ever taken. Returned slots are in meshaccel_free. */
	__u32 slots_used;
	/* Whether members return to TCP when the agent is dead. Some kernels hide a member's TCP
	 * bytes from FIONREAD. There members stay redirected under a higher cap, since no agent
	 * could let them leave. */
	__u32 stop_when_stale;
	/* The inode of the cgroup that the connections are watched in. */
	__u64 cgroup_id;
	/* Whether only sidecars may read redirected bytes: FIONREAD does not count those on some
	 * kernels. */
	__u32 proxies_only;
	/* R3: tcp_mem[0], above which nothing is redirected. */
	__u32 tcp_memory_pages;
	/* bpf_ktime_get_ns() of the last sweep. */
	__u64 swept_ns;
	/* Number of changes of the pods' rules. */
	__u32 rules;
	/* For the agent's successor. One bit for each probe of the self-test: it ran; it succeeded.
	 */
	__u32 probes_run;
	__u32 probes_ok;
	/* Whether the splice watch is attached. Without it no direction becomes mixed below the
	 * hard cap. */
	__u32 splice_watched;
	/* Number of the last sweep. */
	__u32 sweep;
	/* The bytes that FIONREAD hides from a member's reader, if the FIONREAD watch is in use:
	 * FIONREAD_HIDES_REDIRECTED, FIONREAD_HIDES_TCP. */
	__u32 fionread_hides;
	/* R3: kernel memory for redirected and unread messages. */
	__u64 pod_memory_bytes;
	__u64 node_memory_bytes;
};

/* The reading side of an end. Its readers, the scan and its close write here. The first 56 bytes
 * hold all that each message and each receive needs. They share a cache line with a pointer of the
 * kernel, which comes first. */
struct end {
	struct isn_pair key;
	/* Index in conns plus one; 0 until paired. */
	__u32 conn;
	/* Bytes returned by receives, modulo 2^32. */
	__u32 received;
	/* received == copied_seq - base + all that was redirected to it. This holds once nothing is
	 * unread or under way, if every receive was counted. */
	__u32 base;
	__u8 role;
	/* A habit of a reader that bars the end for good: enum reason. */
	__u8 barred;
	/* It is or was a member. */
	__u8 joined;
	/* The next receive may correct the accounting: see accounting.bpf.h. */
	__u8 resync;
	/* Number of receives in a row that the accounting explained. */
	__u32 proof;
	/* write_seq at the last receive. If it has moved since, the connection took a turn. */
	__u32 turn_seq;
	__u32 turns;
	__u32 turns_needed;
	__u32 reader_tgid;
	/* Index in watched. */
	__u32 index;
	__u64 netns_cookie;
	__u64 born_ns;
	/* The socket's bytes_received when the record was made. */
	__u64 bytes_before;
	/* The executable of the reader. */
	__u64 exe_inode;
	__u32 exe_device;
	char reader_comm[16];
	/* The socket has reached TCP_CLOSE. */
	__u32 gone;
	/* Why the end has not joined so far: enum reason. */
	__u8 why;
	/* Number of receives in a row that prove the end. */
	__u8 proof_needed;
	/* The last receive could have blocked. */
	__u8 blocks;
	/* The sockops flags that we have set, PACKET_FLAGS_SHARED, or 0 while we have not asked for
	 * a call per packet. */
	__u8 packet_flags;
	/* The accounting was corrected, and proves nothing any more: see accounting.bpf.h. */
	__u8 corrected;
	/* The last receive left TCP bytes unread. */
	__u8 left_some;
	/* The pause between the keepalives by which the socket wakes itself; 0 without them. */
	__u8 probe_s;
	/* The socket had a keepalive before. */
	__u8 kept_alive;
	/* The kernel's cookie of the socket. No other socket ever has it. */
	__u64 cookie;
	/* The longest receive so far, or READS_WITHOUT_ASKING: fionread.bpf.h. */
	__u32 room;
	/* Peeks of a member's reader at several bytes. */
	__u32 peeks;
	/* The keepalive's times before. */
	__u16 idle_s;
	__u16 interval_s;
	/* A wanted end that has waited for its peer for some time: see PATIENT_NS. */
	__u8 patient;
	__u8 pad[3];
	/* When probe_s was set. */
	__u64 probed_ns;
};

/* Never a valid set of sockops flags: it has bits beyond BPF_SOCK_OPS_ALL_CB_FLAGS. Another agent
 * may have asked for the calls per packet, so we must not end them. */
#define PACKET_FLAGS_SHARED 0xff

/* A watched socket, for programs that go through all of them. */
struct watched {
	/* The kernel's cookie of the socket; 0 while the record is free. */
	__u64 cookie;
	/* Kernel addresses of the struct sock and the struct end. Read them by probe only. */
	__u64 sk;
	__u64 end;
	__u64 netns_cookie;
};

/* The ends that are worth joining, by their index in watched. */
#define WANTED_BITS 64
struct wanted {
	__u64 words[MAX_WATCHED / WANTED_BITS];
};

/* The index in watched at which the flow table continues. */
struct cursor {
	__u32 next;
	__u32 pad;
};

/* A claim on an identity, by one end and later by both. Only the scan makes and deletes claims. */
struct claim {
	/* struct sock of each end; 0 until the end appears. */
	__u64 sk[ROLES];
	/* struct end of each end. */
	__u64 end[ROLES];
	__u64 netns_cookie[ROLES];
	/* Socket cookie of each end. */
	__u64 cookie[ROLES];
	__u64 since_ns;
	/* Index in conns plus one, once both ends are known. */
	__u32 conn;
	__u32 pad;
};

/* A claim that may be dropped: no second end appeared. */
struct due_claim {
	struct isn_pair identity;
	__u64 since_ns;
};

enum conn_state {
	/* The slot is free. */
	CONN_FREE,
	/* Paired, on TCP. */
	CONN_WATCHED,
	/* The ends are entering the sockhash. */
	CONN_JOINING,
	/* Both are members: the verdict may redirect. */
	CONN_JOINED,
	/* Each direction returns to TCP at its next drained point. */
	CONN_STOPPING,
	/* Nothing is redirected any more. The ends stay members until all that was redirected is
	 * read. */
	CONN_SEALED,
};

enum asked {
	NOT_ASKED,
	ASKED,
	/* FIONREAD hid redirected bytes that were unread. */
	ASKED_UNREAD,
};

enum flow_path {
	PATH_TCP,
	PATH_REDIRECT,
	/* Over the cap: TCP behind redirected bytes that are still unread. */
	PATH_MIXED,
};

/* The two ends run on different processors. A field that one end writes at each message must not
 * share a cache line with the other end's fields. */
#define CACHE_LINE 64

/* The sending side of an end. Its verdict writes here, under the lock of the sending socket. */
struct direction {
	/* Bytes announced to the peer's queue, modulo 2^32, since the pairing. */
	__u32 sent;
	/* write_seq when the path became redirect. If it differs now, something was sent by TCP. */
	__u32 path_seq;
	/* write_seq when both ends were members. The reader must have read past it. */
	__u32 trap_seq;
	/* R3, in bytes of kernel memory. `queued` is an upper bound: what was unread at the last
	 * look at the peer's queue, and what was redirected since. `allowed` is its limit:
	 * DIRECTION_BYTES and chunks. */
	__u32 queued;
	__u32 allowed;
	/* Number and bytes of the sends since the last answer, and what the sender had received
	 * then. */
	__u32 run_messages;
	__u32 run_bytes;
	__u32 run_received;
	/* enum flow_path, and the enum reason of the last send that took TCP. */
	__u8 path;
	__u8 reason;
	/* The splice watch was requested because of the unread bytes. */
	__u8 asked;
	__u8 pad;
	__u32 pad2;
	__u64 redirected_bytes;
	__u64 tcp_messages;
	__u8 rest[8];
};

struct conn_end {
	/* Kernel addresses. Read them by probe only: they may be stale once the socket has closed.
	 */
	__u64 sk;
	__u64 end;
	__u64 psock;
	__u64 netns_cookie;
	/* The kernel's cookie of the socket. It shows whether `sk` is still this socket. */
	__u64 cookie;
	__u8 wanted;
	__u8 member;
	__u8 blocking;
	/* The socket belongs to its pod's sidecar. */
	__u8 proxy;
	/* Its reader has started to splice, which never sees redirected bytes. */
	__u8 spliced;
	/* The receive accounting may be off: see accounting.bpf.h. */
	__u8 resync;
	/* Its reader has asked FIONREAD: enum asked. */
	__u8 asked;
	/* Joins whose first TCP bytes its reader left unread: see tcp_drained(). */
	__u8 hesitant;
	/* config.rules when the pod's rules were last applied. */
	__u32 rules;
	/* Number of the last sealed join whose redirected bytes the end has received completely. */
	__u32 drained;
	/* The cookie of the socket whose close a program has seen: is_closed(). */
	__u64 closed;
	/* Only the scan uses the rest, which has its own cache line. The verdict reads the room
	 * when it looks at the peer's queue. */
	/* From the last scan: the reader's copied_seq, and the sends by TCP towards it. */
	__u32 seen_copied_seq;
	__u32 seen_tcp_messages;
	/* Number of scans in a row that found the same TCP bytes unread. */
	__u32 stuck;
	/* From the last sweep: all that was announced to the end, and all that it had received. */
	__u32 swept_sent;
	__u32 swept_received;
	/* Sweeps in a row that found the reader asleep over unread bytes. */
	__u8 asleep;
	/* Sweeps in a row that found redirected bytes unread and none received. */
	__u8 unread;
	/* Sweeps in a row that found the reader holding the socket's lock. */
	__u8 held;
	/* Sweeps in a row that found redirected bytes unread that FIONREAD had hidden, or that hid
	 * TCP bytes from a peek. */
	__u8 misled;
	/* R3: the limit for unread redirected bytes that the receive buffer sets. */
	__u32 room;
	/* From the last sweep: the reader's peeks. */
	__u32 swept_peeks;
	__u8 rest[CACHE_LINE - 32];
};

enum doom {
	NOT_DOOMED = 0,
	DOOMED = 1,
	/* The kernel has no function that resets it. Its sends fail; it ends with its sockets. */
	CANNOT_RESET = 2,
};

struct conn {
	struct isn_pair identity;
	/* enum conn_state; in the second byte the enum reason why it is leaving or has left:
	 * conn.bpf.h. */
	__u32 life;
	/* The slot is in the queue of slots that need attention. */
	__u32 attention;
	/* Written by the scan only: which state it saw last, and since when. */
	__u64 since_ns;
	__u32 since_state;
	/* The scan that looked at it last. */
	__u32 scanned;
	__u64 not_before_ns;
	/* How often it left of its own accord. This determines how long it may not join again. */
	__u16 backoff;
	/* enum doom. Its ends are to be reset: redirected bytes are unread that their reader will
	 * not see. */
	__u16 doomed;
	/* One bit per role: a rule of that end's pod excludes the connection. */
	__u32 excluded;
	/* One bit per role. kick: the reader needs a fresh edge. settings: the socket needs the
	 * settings of a member. */
	__u32 kick;
	__u32 settings;
	/* Number of the join in this slot. It tells a verdict that a whole leave and join have
	 * happened meanwhile. */
	__u32 join;
	__u32 fence;
	struct conn_end ends[ROLES];
	struct direction directions[ROLES];
};

/* Per-CPU totals. */
struct counters {
	__u64 redirected_bytes;
	__u64 redirected_messages;
	__u64 tcp_bytes;
	__u64 tcp_messages;
	__u64 joins;
	__u64 leaves;
	__u64 kicks;
	__u64 watched;
	__u64 closed;
	__u64 reasons[REASONS];
};

/* Open connections by state. Each full pass counts them again. */
struct gauge {
	/* Watched ends. */
	__u32 ends;
	/* Connections with both ends known, by state. */
	__u32 paired;
	__u32 joining;
	__u32 joined;
	__u32 leaving;
	/* Among the joined: both directions redirect, or one of them is mixed. */
	__u32 engaged;
	__u32 mixed;
	__u32 pad;
	/* Bytes received by TCP over live watched connections. */
	__u64 tcp_bytes;
	/* Bytes redirected over them and not yet read. */
	__u64 unread_bytes;
};

/* One line of the flow table: one end as the iterator sees it. */
struct flow_end {
	struct isn_pair key;
	__u64 netns_cookie;
	__u64 age_ns;
	__u8 local_address[16];
	__u8 remote_address[16];
	__u16 local_port;
	__u16 remote_port;
	/* AF_INET or AF_INET6 */
	__u16 family;
	__u8 role;
	__u8 state;
	__u8 path;
	__u8 path_reason;
	__u8 proven;
	__u8 why;
	__u32 reader_tgid;
	char reader_comm[16];
	/* Bytes redirected to this end and not yet read. */
	__u32 unread_bytes;
	/* Turns that count towards its join. A join and a postponed join begin again at 0. */
	__u32 turns;
	/* Bytes that this end sent by redirect, and bytes that it received by TCP. */
	__u64 redirected_bytes;
	__u64 received_tcp_bytes;
	/* Bytes that its peer has acknowledged by TCP, since the connection began. */
	__u64 acked_bytes;
};

_Static_assert(sizeof(struct isn_pair) == 8, "layout");
_Static_assert(sizeof(struct pod) == 1436, "layout");
_Static_assert(sizeof(struct program) == 24, "layout");
_Static_assert(sizeof(struct quarantine) == 32, "layout");
_Static_assert(sizeof(struct event) == 40, "layout");
_Static_assert(sizeof(struct config) == 96, "layout");
_Static_assert(sizeof(struct end) == 144, "layout");
_Static_assert(sizeof(struct claim) == 80, "layout");
_Static_assert(sizeof(struct direction) == CACHE_LINE, "layout");
_Static_assert(sizeof(struct conn_end) == 2 * CACHE_LINE, "layout");
_Static_assert(sizeof(struct conn) == 7 * CACHE_LINE, "layout");
_Static_assert(sizeof(struct flow_end) == 120, "layout");

#endif
