/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Reading kernel structs at an address that may be stale: a bad address reads as 0. */
#ifndef MESHACCEL_PEEK_BPF_H
#define MESHACCEL_PEEK_BPF_H

#include "maps.bpf.h"
#include <bpf/bpf_core_read.h>

#ifdef PEEK_BY_CAST
/* Since Linux 6.2: no call, the verifier turns the cast into a move and each field into a load.
 * With probes the verdict takes half as long again. (One object only: libbpf 1.1 cannot link two
 * that declare the same kernel function.) */
extern void *bpf_rdonly_cast(const void *address, __u32 btf_id) __ksym;

#define as_struct(type, address)                                                                   \
	((type *)bpf_rdonly_cast((const void *)(address), bpf_core_type_id_kernel(type)))
/* A field of a kernel struct at an address. */
#define peek(type, address, field) (as_struct(type, address)->field)
#define sender_of(msg)		   as_struct(struct tcp_sock, (msg)->sk)
#else
#define peek(type, address, field)                                                                 \
	({                                                                                         \
		type *at = (void *)(address);                                                      \
		typeof(at->field) value;                                                           \
		bpf_core_read(&value, sizeof(value), &at->field);                                  \
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

static __always_inline __u64 peek_psock(__u64 sk)
{
	/* The low bits of sk_user_data are flags (SK_USER_DATA_PTRMASK). */
	return (__u64)peek(struct sock, sk, sk_user_data) & ~7ULL;
}

static __always_inline bool queue_empty(__u64 psock)
{
	struct list_head *first = peek(struct sk_psock, psock, ingress_msg.next);

	return first == &((struct sk_psock *)psock)->ingress_msg;
}

#endif
