/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Reads kernel structs at an address that may be stale: a bad address reads as 0. */
#ifndef MESHACCEL_PEEK_BPF_H
#define MESHACCEL_PEEK_BPF_H

#include "maps.bpf.h"
#include <bpf/bpf_core_read.h>

/* A global function: the verifier checks it once, not once for each path that calls it. All objects
 * share one definition, except those that peek in another way. */
#define GLOBAL_FUNCTION __weak __noinline

#ifdef PEEK_BY_CAST
/* Since Linux 6.2. This is no call: the verifier turns the cast into a move, and each field into a
 * load. With probes the verdict takes half as long again. Only one object may use it: libbpf 1.1
 * cannot link two objects that declare the same kernel function. */
extern void *bpf_rdonly_cast(const void *address, __u32 btf_id) __ksym __weak;

#define as_struct(type, address)                                                                   \
	((type *)bpf_rdonly_cast((const void *)(address), bpf_core_type_id_kernel(type)))
/* A field of a kernel struct at an address. */
#define peek(type, address, field) (as_struct(type, address)->field)
#define sender_of(msg)		   as_struct(struct tcp_sock, (msg)->sk)
#define GLOBAL(name)		   name##_by_cast
#else
#define GLOBAL(name) name
#define peek(type, address, field)                                                                 \
	({                                                                                         \
		type *at = (void *)(address);                                                      \
		typeof(at->field) value;                                                           \
		bpf_core_read((void *)&value, sizeof(value), &at->field);                          \
		value;                                                                             \
	})
#define sender_of(msg) bpf_skc_to_tcp_sock((msg)->sk)
#endif

/* A field of the other end's record. */
#define peek_end(address, field)                                                                   \
	({                                                                                         \
		struct end *at = (void *)(address);                                                \
		typeof(at->field) value;                                                           \
		bpf_probe_read_kernel(&value, sizeof(value), &at->field);                          \
		value;                                                                             \
	})

/* Newer kernels keep the number of redirected bytes that are unread. The kernel whose types this is
 * built from may be older. */
struct sk_psock___counting {
	__u32 msg_tot_len;
} __attribute__((preserve_access_index));

/* Whether the address still belongs to the socket with this cookie: the kernel reuses the memory of
 * sockets. */
static __always_inline bool is_socket(__u64 sk, __u64 cookie)
{
	return (__u64)peek(struct sock, sk, __sk_common.skc_cookie.counter) == cookie;
}

/* Whether the socket has closed, or is gone. */
static __always_inline bool has_closed(__u64 sk, __u64 cookie)
{
	return peek(struct sock, sk, __sk_common.skc_state) == TCP_CLOSE || !is_socket(sk, cookie);
}

static __always_inline __u64 peek_psock(__u64 sk)
{
	/* The low bits of sk_user_data are flags (SK_USER_DATA_PTRMASK). */
	return (__u64)peek(struct sock, sk, sk_user_data) & ~7ULL;
}

/* The psock that the end's socket has now, 0 if it has none. */
static __always_inline __u64 psock_of(const struct conn_end *end)
{
	return is_socket(end->sk, end->cookie) ? peek_psock(end->sk) : 0;
}

static __always_inline bool queue_empty(__u64 psock)
{
	struct list_head *first = peek(struct sk_psock, psock, ingress_msg.next);

	return first == &((struct sk_psock *)psock)->ingress_msg;
}

#define SOCK_NOSPACE 2

/* Whether a writer was told to wait for room although nothing is queued. The kernel does so while
 * memory is short, and no acknowledgement will come that wakes the writer. */
static __always_inline bool writer_stranded(__u64 sk)
{
	struct socket *socket = peek(struct sock, sk, sk_socket);

	return socket && peek(struct socket, socket, flags) & (1UL << SOCK_NOSPACE) &&
	       !peek(struct sock, sk, sk_wmem_queued);
}

#define O_NONBLOCK 00004000

/* Whether receives of the socket wait for bytes, unless their flags say otherwise. */
static __always_inline bool is_blocking(__u64 sk)
{
	struct socket *socket = peek(struct sock, sk, sk_socket);
	struct file *file = socket ? peek(struct socket, socket, file) : NULL;

	return !file || !(peek(struct file, file, f_flags) & O_NONBLOCK);
}

#endif
