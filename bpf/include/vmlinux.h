/* SPDX-License-Identifier: GPL-2.0-only */
/* The types of the kernel that the programs use, with the members that they use. `npm run
 * kernel-types` writes it. The places of the members mean nothing: the loader relocates each
 * access. */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct __sk_buff;
struct bpf_iter__bpf_sk_storage_map;
struct bpf_iter__task;
struct bpf_iter__tcp;
struct bpf_iter_meta;
struct bpf_local_storage;
struct bpf_prog;
struct bpf_prog_array;
struct bpf_prog_array_item;
struct bpf_sock;
struct bpf_sock_ops;
struct bpf_sock_tuple;
struct cgroup;
struct cgroup_bpf;
struct config_s;
struct deflate_state;
struct fdtable;
struct file;
struct files_struct;
struct hlist_head;
struct hlist_node;
struct in6_addr;
struct inet_connection_sock;
struct inet_hashinfo;
struct inet_sock;
struct inode;
struct iovec;
struct list_head;
struct mm_struct;
struct net;
struct netns_bpf;
struct netns_ipv4;
struct netns_ipv6;
struct ns_common;
struct page;
struct percpu_ref;
struct proto;
struct raw_hashinfo;
struct refcount_struct;
struct seq_file;
struct seq_operations;
struct sk_buff;
struct sk_msg_md;
struct sk_psock;
struct smc_hashinfo;
struct sock;
struct sock_cgroup_data;
struct sock_common;
struct socket;
struct socket_alloc;
struct socket_wq;
struct spinlock;
struct super_block;
struct task_struct;
struct tcp_skb_cb;
struct tcp_sock;
struct tcp_ulp_ops;
struct trace_event_raw_sys_enter;
struct udp_table;
struct user_msghdr;
struct wait_queue_entry;
struct wait_queue_head;

typedef signed char __s8;

typedef unsigned char __u8;

typedef short int __s16;

typedef short unsigned int __u16;

typedef int __s32;

typedef unsigned int __u32;

typedef long long int __s64;

typedef long long unsigned int __u64;

typedef __u8 u8;

typedef __u16 u16;

typedef __u32 u32;

typedef __s64 s64;

typedef __u64 u64;

enum {
	false = 0,
	true = 1,
};

typedef long int __kernel_long_t;

typedef long unsigned int __kernel_ulong_t;

typedef int __kernel_pid_t;

typedef unsigned int __kernel_uid32_t;

typedef unsigned int __kernel_gid32_t;

typedef __kernel_ulong_t __kernel_size_t;

typedef __kernel_long_t __kernel_ssize_t;

typedef long long int __kernel_loff_t;

typedef __u16 __be16;

typedef __u32 __be32;

typedef __u32 __wsum;

typedef u32 __kernel_dev_t;

typedef __kernel_dev_t dev_t;

typedef short unsigned int umode_t;

typedef __kernel_pid_t pid_t;

typedef _Bool bool;

typedef __kernel_uid32_t uid_t;

typedef __kernel_gid32_t gid_t;

typedef __kernel_loff_t loff_t;

typedef __kernel_size_t size_t;

typedef __kernel_ssize_t ssize_t;

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	s64 counter;
} atomic64_t;

struct list_head {
	struct list_head *next;
};

struct hlist_head {
	struct hlist_node *first;
};

struct hlist_node {
	struct hlist_node *next;
};

struct refcount_struct {
	atomic_t refs;
};

typedef struct refcount_struct refcount_t;

typedef atomic64_t atomic_long_t;

typedef struct {
	uid_t val;
} kuid_t;

struct spinlock {
};

typedef struct spinlock spinlock_t;

struct task_struct {
	unsigned int __state;
	unsigned int flags;
	struct mm_struct *mm;
	pid_t tgid;
	char comm[16];
	struct files_struct *files;
};

typedef struct {
	long unsigned int f;
} memdesc_flags_t;

struct page {
	memdesc_flags_t flags;
	union {
		struct {
			union {
				long unsigned int share;
			};
			long unsigned int private;
		};
	};
};

typedef struct {
	long unsigned int __mm_flags[1];
} mm_flags_t;

struct mm_struct {
	struct {
		mm_flags_t flags;
		struct file *exe_file;
	};
};

struct wait_queue_head {
	struct list_head head;
};

typedef struct wait_queue_head wait_queue_head_t;

struct seq_operations {
	void (*stop)(struct seq_file *, void *);
	void *(*next)(struct seq_file *, void *, loff_t *);
};

struct ns_common {
};

typedef struct {
	gid_t val;
} kgid_t;

struct percpu_ref {
};

typedef int (*wait_queue_func_t)(struct wait_queue_entry *, unsigned int, int, void *);

struct wait_queue_entry {
	unsigned int flags;
	void *private;
	wait_queue_func_t func;
	struct list_head entry;
};

struct file {
	void *private_data;
	struct inode *f_inode;
	unsigned int f_flags;
};

struct iovec {
	void *iov_base;
	__kernel_size_t iov_len;
};

typedef unsigned int sk_buff_data_t;

struct sk_buff {
	union {
		struct {
			struct sk_buff *next;
		};
	};
	struct sock *sk;
	char cb[48];
	__u8 peeked : 1;
	union {
		struct {
			__u8 redirected : 1;
		};
		struct {
			__u8 redirected : 1;
		} headers;
	};
	sk_buff_data_t end;
	unsigned char *head;
};

struct inode {
	umode_t i_mode;
	kgid_t i_gid;
	struct super_block *i_sb;
	long unsigned int i_ino;
};

struct super_block {
	dev_t s_dev;
};

struct cgroup_bpf {
	struct bpf_prog_array *effective[38];
	u8 flags[38];
	struct percpu_ref refcnt;
};

struct cgroup {
	long unsigned int flags;
	int level;
	struct cgroup_bpf bpf;
};

struct seq_file {
	size_t size;
	size_t from;
	size_t count;
	loff_t index;
	const struct seq_operations *op;
	const struct file *file;
	void *private;
};

struct netns_ipv4 {
	int sysctl_tcp_rmem[3];
};

struct netns_ipv6 {
	struct {
		struct hlist_head head;
		u32 seq;
	} ip6addrlbl_table;
};

struct netns_bpf {
	struct list_head links[2];
};

struct net {
	struct ns_common ns;
	struct netns_ipv4 ipv4;
	struct netns_ipv6 ipv6;
	struct netns_bpf bpf;
	u64 net_cookie;
};

struct bpf_prog_array_item {
};

struct bpf_prog_array {
	struct bpf_prog_array_item items[0];
};

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_HASH = 5,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_SOCKHASH = 18,
	BPF_MAP_TYPE_QUEUE = 22,
	BPF_MAP_TYPE_SK_STORAGE = 24,
	BPF_MAP_TYPE_RINGBUF = 27,
};

enum bpf_prog_type {
	BPF_PROG_TYPE_UNSPEC = 0,
};

struct bpf_prog {
	enum bpf_prog_type type;
};

struct in6_addr {
	union {
		__u8 u6_addr8[16];
		__be16 u6_addr16[8];
		__be32 u6_addr32[4];
	} in6_u;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct sock_common {
	union {
		struct {
			__be32 skc_daddr;
			__be32 skc_rcv_saddr;
		};
	};
	union {
		struct {
			__be16 skc_dport;
			__u16 skc_num;
		};
	};
	short unsigned int skc_family;
	volatile unsigned char skc_state;
	int skc_bound_dev_if;
	struct proto *skc_prot;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	atomic64_t skc_cookie;
	union {
		long unsigned int skc_flags;
	};
};

typedef struct {
	spinlock_t slock;
	int owned;
	wait_queue_head_t wq;
} socket_lock_t;

struct sock_cgroup_data {
	struct cgroup *cgroup;
};

struct sock {
	struct sock_common __sk_common;
	__s32 sk_peek_off;
	struct {
		struct sk_buff *head;
	} sk_backlog;
	u8 sk_userlocks;
	int sk_rcvbuf;
	union {
		struct socket_wq *sk_wq;
	};
	int sk_rcvlowat;
	int sk_err;
	struct socket *sk_socket;
	socket_lock_t sk_lock;
	u32 sk_tsflags;
	int sk_write_pending;
	int sk_wmem_queued;
	kuid_t sk_uid;
	u16 sk_protocol;
	u8 sk_shutdown;
	void *sk_user_data;
	struct sock_cgroup_data sk_cgrp_data;
	struct bpf_local_storage *sk_bpf_storage;
};

typedef enum {
	SS_FREE = 0,
	SS_UNCONNECTED = 1,
	SS_CONNECTING = 2,
	SS_CONNECTED = 3,
	SS_DISCONNECTING = 4,
} socket_state;

struct socket_wq {
	wait_queue_head_t wait;
	long unsigned int flags;
};

struct socket {
	socket_state state;
	short int type;
	long unsigned int flags;
	struct file *file;
	struct sock *sk;
};

struct proto {
	atomic_long_t *memory_allocated;
	union {
		struct inet_hashinfo *hashinfo;
		struct udp_table *udp_table;
		struct raw_hashinfo *raw_hash;
		struct smc_hashinfo *smc_hash;
	} h;
	char name[32];
	struct list_head node;
};

enum cgroup_bpf_attach_type {
	CGROUP_SOCK_OPS = 3,
};

enum {
	PERF_TXN_ELISION = 1ULL,
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	atomic_t count;
	struct fdtable *fdt;
};

enum {
	TCP_ESTABLISHED = 1,
	TCP_CLOSE = 7,
	TCP_CLOSE_WAIT = 8,
};

enum fbq_type {
	remote = 1,
	all = 2,
};

struct trace_event_raw_sys_enter {
	long unsigned int args[6];
};

struct bpf_iter_meta {
	union {
		struct seq_file *seq;
	};
};

enum {
	BPF_F_INDEX_MASK = 4294967295ULL,
};

enum perf_callchain_context {
	PERF_CONTEXT_HV = 18446744073709551584ULL,
};

enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
};

enum {
	BPF_F_NO_PREALLOC = 1,
	BPF_F_MMAPABLE = 1024,
};

struct bpf_sock {
	__u32 family;
	__u32 type;
	__u32 state;
};

struct __sk_buff {
	__u32 cb[5];
	__u32 family;
	__u32 remote_port;
	__u32 local_port;
	union {
		struct bpf_sock *sk;
	};
};

enum sk_action {
	SK_DROP = 0,
	SK_PASS = 1,
};

struct bpf_iter__task {
	union {
		struct bpf_iter_meta *meta;
	};
	union {
		struct task_struct *task;
	};
};

enum {
	BPF_SK_STORAGE_GET_F_CREATE = 1,
};

struct sk_msg_md {
	__u32 family;
	__u32 remote_port;
	__u32 local_port;
	__u32 size;
	union {
		struct bpf_sock *sk;
	};
};

struct bpf_sock_ops {
	__u32 op;
	union {
		__u32 args[4];
	};
	__u32 family;
	__u32 remote_port;
	__u32 local_port;
	__u32 bpf_sock_ops_cb_flags;
	__u32 state;
	__u32 rcv_nxt;
	__u32 snd_nxt;
	__u32 snd_una;
	__u32 segs_out;
	__u32 data_segs_out;
	__u64 bytes_received;
	__u64 bytes_acked;
	union {
		struct bpf_sock *sk;
	};
	__u32 skb_len;
};

struct sk_psock {
	struct sock *sk;
	struct sock *sk_redir;
	u32 copied_seq;
	struct list_head ingress_msg;
	u32 msg_tot_len;
	long unsigned int state;
	struct list_head link;
	refcount_t refcnt;
};

enum {
	BPF_F_INGRESS = 1,
};

struct udp_table {
	unsigned int mask;
};

enum {
	IPPROTO_TCP = 6,
};

enum sock_flags {
	SOCK_DONE = 1,
	SOCK_URGINLINE = 2,
	SOCK_KEEPOPEN = 3,
	SOCK_RCVTSTAMP = 11,
	SOCK_ZEROCOPY = 18,
};

enum {
	BTRFS_MOUNT_NODATASUM = 1ULL,
};

enum ib_uverbs_device_cap_flags {
	IB_UVERBS_DEVICE_RESIZE_MAX_WR = 1ULL,
};

struct socket_alloc {
	struct socket socket;
	struct inode vfs_inode;
};

struct inet_sock {
	struct sock sk;
};

enum blake2b_iv {
	BLAKE2B_IV0 = 7640891576956012808ULL,
};

enum {
	VTIME_PER_SEC_SHIFT = 37ULL,
};

enum {
	REQ_F_FIXED_FILE = 1ULL,
};

enum net_iov_type {
	NET_IOV_DMABUF = 0ULL,
};

struct user_msghdr {
	void *msg_name;
	int msg_namelen;
	struct iovec *msg_iov;
	__kernel_size_t msg_iovlen;
	void *msg_control;
	__kernel_size_t msg_controllen;
	unsigned int msg_flags;
};

enum socket_flags {
	SOCK_NOSPACE = 2,
};

typedef short unsigned int ush;

typedef ush Pos;

struct deflate_state {
	Pos *head;
	int level;
};

typedef struct deflate_state deflate_state;

typedef enum {
	need_more = 0,
	block_done = 1,
	finish_started = 2,
	finish_done = 3,
} block_state;

typedef block_state (*compress_func)(deflate_state *, int);

struct config_s {
	compress_func func;
};

typedef struct config_s config;

struct inet_connection_sock {
	struct inet_sock icsk_inet;
	const struct tcp_ulp_ops *icsk_ulp_ops;
	struct {
		__u32 unused : 3;
	} icsk_ack;
	struct {
		u32 enabled : 1;
	} icsk_mtup;
};

struct tcp_ulp_ops {
	void (*release)(struct sock *);
	char name[16];
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	u32 notsent_lowat;
	u32 copied_seq;
	u32 lost;
	u32 segs_out;
	u32 data_segs_out;
	u32 write_seq;
	u32 rcv_nxt;
	u32 snd_nxt;
	u32 snd_una;
	u64 bytes_received;
	u64 bytes_acked;
	struct {
		u32 seq;
	} rcv_rtt_est;
	struct {
		u32 seq;
	} rcvq_space;
	u8 bpf_sock_ops_cb_flags;
	bool is_mptcp;
};

enum {
	BPF_SOCK_OPS_TCP_CONNECT_CB = 3,
	BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB = 4,
	BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB = 5,
	BPF_SOCK_OPS_STATE_CB = 10,
	BPF_SOCK_OPS_HDR_OPT_LEN_CB = 14,
	BPF_SOCK_OPS_WRITE_HDR_OPT_CB = 15,
};

struct tcp_skb_cb {
	__u32 seq;
	__u32 end_seq;
	__u8 unused : 4;
	union {
		struct {
			__u32 unused : 11;
		} tx;
	};
};

struct bpf_sock_tuple {
	union {
		struct {
			__be32 saddr;
			__be32 daddr;
			__be16 sport;
			__be16 dport;
		} ipv4;
		struct {
			__be32 saddr[4];
			__be32 daddr[4];
			__be16 sport;
			__be16 dport;
		} ipv6;
	};
};

enum {
	BPF_SOCK_OPS_STATE_CB_FLAG = 4,
	BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG = 64,
};

enum {
	TCP_BPF_SOCK_OPS_CB_FLAGS = 1008,
};

struct bpf_iter__bpf_sk_storage_map {
	union {
		struct bpf_iter_meta *meta;
	};
	union {
		struct sock *sk;
	};
	union {
		void *value;
	};
};

enum {
	BPF_TCP_ESTABLISHED = 1,
	BPF_TCP_FIN_WAIT1 = 4,
	BPF_TCP_CLOSE = 7,
	BPF_TCP_CLOSE_WAIT = 8,
};

struct bpf_iter__tcp {
	union {
		struct bpf_iter_meta *meta;
	};
	union {
		struct sock_common *sk_common;
	};
	uid_t uid;
};

#include "registers.h"

#pragma clang attribute pop

#endif /* __VMLINUX_H__ */
