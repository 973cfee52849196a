/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What the programs and the agent share: limits, reasons and the layout of every map's key and
 * value. `npm run generate` writes src/datapath/{generated-names,maps/generated}.ts from it. */
#ifndef MESHACCEL_H
#define MESHACCEL_H

/* Sockets that can be watched at the same time, and connections that can be paired; more of them
 * stay on TCP (table-full). */
#define MAX_WATCHED 262144
#define MAX_CONNS   65536
#define MAX_PODS    4096
/* Programs that are kept off the fast path; the oldest is forgotten for a new one. */
#define MAX_QUARANTINED 4096
/* Rules of each kind that a pod may have to keep connections on TCP. */
#define MAX_RULES 32

#define EVENTS_BYTES (256 * 1024)

/* Redirected and unread messages of a direction. */
#define CAP_MESSAGES 256
/* What the kernel keeps for each message beside its bytes and charges to nobody: a struct sk_msg in
 * a slab object of this size. */
#define MESSAGE_BYTES 1024
/* Kernel memory that each direction of a member may hold; the join pays for it. A direction that
 * needs more takes chunks. memory.bpf.h has the budgets. */
#define DIRECTION_BYTES (8 * 1024)
#define CHUNK_BYTES	(64 * 1024)

/* An end is proven after this many receives in a row that account for all that left its TCP queue;
 * doubled, up to the limit, by each one that does not. The kernel skips a program now and then, so
 * a single receive that does not account for its bytes is no evidence of a habit. */
#define PROOF_RECEIVES	   4
#define PROOF_RECEIVES_MAX 16
/* A connection is worth joining after this many turns; doubled, up to the limit, each time it had
 * to leave. */
#define TURNS	  4
#define TURNS_MAX 4096

/* R4: this many sends without an answer, smaller than this on average, are a stream. */
#define STREAM_MESSAGES	     64
#define STREAM_MESSAGE_BYTES 4096

#define MSEC   (1000ULL * 1000)
#define SEC_NS (1000 * MSEC)
/* How long an end waits for its peer to show up before it counts as remote. */
#define PAIRING_NS (2 * SEC_NS)
/* How long both ends may take to enter the sockhash. */
#define JOINING_NS (1 * SEC_NS)
/* How long a leaving connection looks for a drained point before it is sealed without one. */
#define STOPPING_NS (300 * MSEC)
/* A connection of which somebody else has put a socket into a sockmap is tried again after this
 * time. */
#define CLAIMED_NS (60 * SEC_NS)
/* A connection that left of its own doing joins again after this time, doubled each time, up to the
 * limit. */
#define BACKOFF_NS  (100 * MSEC)
#define BACKOFF_MAX 5
/* A member whose TCP bytes lie unread from one scan to the next is kicked; after this many such
 * scans it leaves. */
#define STUCK_SCANS 5
/* Redirected bytes that lie unread over this many sweeps in a row, while a thread sleeps in a
 * receive that does not see them, will never be read. */
#define SWEEP_NS     (200 * MSEC)
#define STUCK_SWEEPS 3
/* A reader that holds its socket's lock over this many sweeps in a row makes its peer wait in send.
 */
#define HELD_SWEEPS 3
/* The agent is dead when it has not scanned for this long. */
#define HEARTBEAT_NS (5 * SEC_NS)
/* After this long without a scan nobody may be there to lead a flow over the cap back to TCP. */
#define ABSENT_NS (1 * SEC_NS)
/* A flow over the cap stays redirected up to this many caps while the splice watch is not attached,
 * or while no agent is there. */
#define HARD_CAP_FACTOR 8

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
	/* The budget of the pod or of the node for redirected and unread messages. */
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
	/* Also why a connection did not join. */
	REASON_EXCLUDED,
	REASON_READER_CHANGED,
	REASON_JOIN_TIMEOUT,
	REASON_HALF_CLOSED,
	/* Its reader holds the socket's lock, for instance in a page fault. */
	REASON_READER_HOLDS_LOCK,
	/* Also why a connection did not join: its reader blocks in receives. */
	REASON_BLOCKING_READER,
	/* Also why a connection did not join: a socket is in somebody else's sockmap. */
	REASON_CLAIMED_ELSEWHERE,
	/* Reset: redirected bytes were unread that its reader would not have seen. */
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
	REASON_UNACCOUNTED,
	REASON_SPLICE,
	REASON_QUARANTINED,
	/* Its reader sleeps in a receive that does not see redirected bytes. */
	REASON_STUCK,
	/* TCP bytes were read before redirected ones that had been sent earlier. */
	REASON_OVERTAKEN,
	REASONS,
};

/* How the first bytes of both directions are numbered: chosen by the two kernels, untouched by NAT.
 * An end's key in the sockhash is its own number first; the identity of a connection is its
 * client's key. */
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
	/* In network byte order; of an IPv4 address the first word. */
	__u32 address[4];
	__u32 mask[4];
};

/* (gid_t)-1, which nobody has. */
#define NO_GID 0xffffffff

struct pod {
	__u32 enabled;
	__u32 proxy_uid;
	/* Tells its sidecar from others that run as root; NO_GID where nothing does. */
	__u32 proxy_gid;
	/* Whether its user accepts that connections with blocking readers join. */
	__u32 blocking_readers;
	/* What its user wants to stay on TCP (exclude.bpf.h): how many of each. */
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

/* The evidence against it. */
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
	/* Told by the measuring programs (measure.h), with a struct flow_event. */
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

/* What the agent is to tell at once. */
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
	/* R3: redirected and unread bytes of a direction. */
	__u32 cap_bytes;
	/* bpf_ktime_get_ns() of the last scan. */
	__u64 heartbeat_ns;
	/* Idle time before the first keepalive probe of a member, in seconds; 0 leaves sockets
	 * alone. */
	__u32 keepalive_s;
	/* Number of the current scan. */
	__u32 scan;
	/* Slots of conns that were ever taken; those given back are in meshaccel_free. */
	__u32 slots_used;
	/* Whether members return to TCP when the agent is dead. Where the kernel hides a member's
	 * TCP bytes from FIONREAD they stay redirected, under a higher cap: nobody would be there
	 * to let them leave. */
	__u32 stop_when_stale;
	/* The inode of the cgroup that the connections are watched in. */
	__u64 cgroup_id;
	/* Whether only sidecars may read what was redirected: where FIONREAD does not count it. */
	__u32 proxies_only;
	/* R3: tcp_mem[0], above which nothing is redirected. */
	__u32 tcp_memory_pages;
	/* bpf_ktime_get_ns() of the last sweep. */
	__u64 swept_ns;
	/* Counts the changes of the pods' rules. */
	__u32 rules;
	/* For the agent's successor, a bit for each probe of the self-test: it ran, it was well. */
	__u32 probes_run;
	__u32 probes_ok;
	/* Whether the splice watch is attached. Without it no direction becomes mixed below the
	 * hard cap. */
	__u32 splice_watched;
	/* Number of the last sweep. */
	__u32 sweep;
	__u32 pad;
	/* R3: kernel memory for redirected and unread messages. */
	__u64 pod_memory_bytes;
	__u64 node_memory_bytes;
};

/* What one end reads; written in the context of its readers, by the scan and at its close. What
 * each message and each receive needs lies in the first 56 bytes, the rest of the cache line that
 * the kernel's own pointer begins. */
struct end {
	struct isn_pair key;
	/* Index in conns plus one; 0 until paired. */
	__u32 conn;
	/* Bytes returned by receives, modulo 2^32. */
	__u32 received;
	/* received == copied_seq - base + all that was redirected to it, once nothing is unread or
	 * under way, as far as every receive was counted. */
	__u32 base;
	__u8 role;
	/* A reader's habit that bars the end for good: enum reason. */
	__u8 barred;
	/* It is or was a member. */
	__u8 joined;
	/* The next receive may settle the books: see accounting.bpf.h. */
	__u8 resync;
	/* Receives in a row that the accounting explained. */
	__u32 proof;
	/* write_seq at the last receive: it moved, so the connection took turns. */
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
	/* TCP_CLOSE has been reached. */
	__u32 gone;
	/* Why it has not joined so far: enum reason. */
	__u8 why;
	/* Receives in a row that prove it. */
	__u8 proof_needed;
	/* Its last receive could have blocked. */
	__u8 blocks;
	/* What we have set the socket's sockops flags to, 0 while we have not asked for a call per
	 * packet. */
	__u8 packet_flags;
	/* The books were set right once, and prove nothing any more: see accounting.bpf.h. */
	__u8 corrected;
	__u8 pad[3];
	/* The kernel's cookie of the socket: no other one ever has it. */
	__u64 cookie;
};

/* A watched socket, for those who go through all of them. */
struct watched {
	/* The kernel's cookie of the socket; 0 while nobody has the record. */
	__u64 cookie;
	/* Kernel addresses of the struct sock and the struct end, read by probe only. */
	__u64 sk;
	__u64 end;
	__u64 netns_cookie;
};

/* Where the flow table goes on, in watched. */
struct cursor {
	__u32 next;
	__u32 pad;
};

/* A claim on an identity: by one end, then by both. Only the scan makes and deletes claims. */
struct claim {
	/* struct sock of each end; 0 until it shows up. */
	__u64 sk[ROLES];
	/* struct end of each end. */
	__u64 end[ROLES];
	__u64 netns_cookie[ROLES];
	/* Socket cookie of each end. */
	__u64 cookie[ROLES];
	__u64 since_ns;
	/* Index in conns plus one, once both are there. */
	__u32 conn;
	__u32 pad;
};

/* A claim that may be given up: nobody came to share it. */
struct due_claim {
	struct isn_pair identity;
	__u64 since_ns;
};

enum conn_state {
	/* The slot is free. */
	CONN_FREE,
	/* Paired, on TCP. */
	CONN_WATCHED,
	/* The ends enter the sockhash. */
	CONN_JOINING,
	/* Both are members: the verdict may redirect. */
	CONN_JOINED,
	/* Each direction returns to TCP at its next drained point. */
	CONN_STOPPING,
	/* Nothing is redirected any more; members until all that was redirected has been read. */
	CONN_SEALED,
};

enum flow_path {
	PATH_TCP,
	PATH_REDIRECT,
	/* Over the cap: TCP behind redirected bytes that are still unread. */
	PATH_MIXED,
};

/* The two ends run on different processors: what one of them writes at each message must not share
 * a cache line with anything that the other one reads. */
#define CACHE_LINE 64

/* What one end sends; written by its verdict, which runs under the lock of the sending socket. */
struct direction {
	/* Bytes announced to the peer's queue, modulo 2^32, since the pairing. */
	__u32 sent;
	/* write_seq when the path became redirect: another one means that something went by TCP. */
	__u32 path_seq;
	/* write_seq when both ends were members: a blocking reader must have read past it. */
	__u32 trap_seq;
	/* R3, in bytes of kernel memory: redirected since the peer's queue was last looked at, and
	 * unread then; an upper bound. And as much may be: DIRECTION_BYTES and chunks. */
	__u32 queued;
	__u32 allowed;
	/* Sends, their bytes, and what the sender had received, since the last answer. */
	__u32 run_messages;
	__u32 run_bytes;
	__u32 run_received;
	/* enum flow_path, and the enum reason of the last send that took TCP. */
	__u8 path;
	__u8 reason;
	/* The splice watch was asked for because of what is unread. */
	__u8 asked;
	__u8 pad;
	__u32 pad2;
	__u64 redirected_bytes;
	__u64 tcp_messages;
	__u8 rest[8];
};

struct conn_end {
	/* Kernel addresses, read by probe only: they may be stale once the socket has closed. */
	__u64 sk;
	__u64 end;
	__u64 psock;
	__u64 netns_cookie;
	/* The kernel's cookie of the socket: tells whether `sk` is still this one. */
	__u64 cookie;
	__u8 wanted;
	__u8 member;
	__u8 blocking;
	/* The socket belongs to its pod's sidecar. */
	__u8 proxy;
	/* Its reader has turned to splice, which never sees redirected bytes. */
	__u8 spliced;
	/* The receive accounting may be off: see accounting.bpf.h. */
	__u8 resync;
	__u8 pad[2];
	/* config.rules when the rules of its pod were last asked. */
	__u32 rules;
	/* Number of the join whose redirected bytes it has received to the last, once sealed. */
	__u32 drained;
	/* The cookie of the socket that was seen to close: is_closed(). */
	__u64 closed;
	/* The rest is the scan's own, in a cache line of its own. */
	/* What the scan saw last: the reader's copied_seq, and the sends by TCP towards it. */
	__u32 seen_copied_seq;
	__u32 seen_tcp_messages;
	/* Scans in a row that found the same TCP bytes unread. */
	__u32 stuck;
	/* What the sweep saw last: all that was announced to it, and all that it had received. */
	__u32 swept_sent;
	__u32 swept_received;
	/* In how many sweeps in a row its reader slept over unread bytes, redirected bytes were
	 * unread and none was received, its reader held the socket's lock. */
	__u8 asleep;
	__u8 unread;
	__u8 held;
	__u8 pad3;
	__u8 rest[CACHE_LINE - 24];
};

struct conn {
	struct isn_pair identity;
	/* enum conn_state, and in the second byte the enum reason why it is leaving or has left:
	 * conn.bpf.h. */
	__u32 life;
	/* In the queue of slots that need attention. */
	__u32 attention;
	/* The scan's: when it saw the connection come into its state, and which one that was. */
	__u64 since_ns;
	__u32 since_state;
	/* The scan that looked at it last. */
	__u32 scanned;
	__u64 not_before_ns;
	/* How often it left of its own doing, and how long it may not join again because of that.
	 */
	__u16 backoff;
	/* Its ends are to be reset: redirected bytes are unread that their reader will not see. */
	__u16 doomed;
	/* Bit per role: a rule of that end's pod excludes it. */
	__u32 excluded;
	/* Bit per role: the reader gets a fresh edge; the socket gets the settings of a member. */
	__u32 kick;
	__u32 settings;
	/* Number of the join in this slot, so that a verdict can tell that a whole leave and join
	 * have passed it by. */
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

/* Open connections by state; counted anew by each full pass. */
struct gauge {
	/* Watched ends. */
	__u32 ends;
	/* Connections with both ends known, by state. */
	__u32 paired;
	__u32 joining;
	__u32 joined;
	__u32 leaving;
	/* Of the joined: both directions redirect; one of them is mixed. */
	__u32 engaged;
	__u32 mixed;
	__u32 pad;
	/* Received by TCP over live watched connections. */
	__u64 tcp_bytes;
	/* Redirected over them and not yet read. */
	__u64 unread_bytes;
};

/* One line of the flow table: one end as the iterator meets it. */
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
	/* Redirected to this end and not yet read. */
	__u32 unread_bytes;
	__u32 pad;
	/* What this end sent by redirect, and received by TCP. */
	__u64 redirected_bytes;
	__u64 received_tcp_bytes;
};

_Static_assert(sizeof(struct isn_pair) == 8, "layout");
_Static_assert(sizeof(struct pod) == 1436, "layout");
_Static_assert(sizeof(struct program) == 24, "layout");
_Static_assert(sizeof(struct quarantine) == 32, "layout");
_Static_assert(sizeof(struct event) == 40, "layout");
_Static_assert(sizeof(struct config) == 96, "layout");
_Static_assert(sizeof(struct end) == 120, "layout");
_Static_assert(sizeof(struct claim) == 80, "layout");
_Static_assert(sizeof(struct direction) == CACHE_LINE, "layout");
_Static_assert(sizeof(struct conn_end) == 2 * CACHE_LINE, "layout");
_Static_assert(sizeof(struct conn) == 7 * CACHE_LINE, "layout");
_Static_assert(sizeof(struct flow_end) == 112, "layout");

#endif
