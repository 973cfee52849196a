/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef MESHACCEL_ADDRESS_BPF_H
#define MESHACCEL_ADDRESS_BPF_H

#include "peek.bpf.h"
#include <bpf/bpf_endian.h>

#define AF_INET6 10

/* Writes the addresses of the socket at address `sk` into a record with the fields of struct
 * flow_end.
 */
#define put_addresses(record, sk)                                                                  \
	({                                                                                         \
		(record)->family = peek(struct sock, sk, __sk_common.skc_family);                  \
		(record)->local_port = peek(struct sock, sk, __sk_common.skc_num);                 \
		(record)->remote_port = bpf_ntohs(peek(struct sock, sk, __sk_common.skc_dport));   \
		if ((record)->family == AF_INET6) {                                                \
			struct in6_addr local =                                                    \
			    peek(struct sock, sk, __sk_common.skc_v6_rcv_saddr);                   \
			struct in6_addr remote = peek(struct sock, sk, __sk_common.skc_v6_daddr);  \
                                                                                                   \
			__builtin_memcpy((record)->local_address, &local, 16);                     \
			__builtin_memcpy((record)->remote_address, &remote, 16);                   \
		} else {                                                                           \
			__be32 local = peek(struct sock, sk, __sk_common.skc_rcv_saddr);           \
			__be32 remote = peek(struct sock, sk, __sk_common.skc_daddr);              \
                                                                                                   \
			__builtin_memcpy((record)->local_address, &local, 4);                      \
			__builtin_memcpy((record)->remote_address, &remote, 4);                    \
		}                                                                                  \
	})

#endif
