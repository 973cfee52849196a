/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef MESHACCEL_ADDRESS_BPF_H
#define MESHACCEL_ADDRESS_BPF_H

#include "maps.bpf.h"
#include <bpf/bpf_endian.h>

#define AF_INET6 10

/* Writes a socket's addresses into a record with the fields of struct flow_end. */
#define put_addresses(record, sk)                                                                  \
	({                                                                                         \
		const struct sock_common *common = &(sk)->__sk_common;                             \
                                                                                                   \
		(record)->family = common->skc_family;                                             \
		(record)->local_port = common->skc_num;                                            \
		(record)->remote_port = bpf_ntohs(common->skc_dport);                              \
		if (common->skc_family == AF_INET6) {                                              \
			__builtin_memcpy((record)->local_address,                                  \
					 common->skc_v6_rcv_saddr.in6_u.u6_addr8, 16);             \
			__builtin_memcpy((record)->remote_address,                                 \
					 common->skc_v6_daddr.in6_u.u6_addr8, 16);                 \
		} else {                                                                           \
			__builtin_memcpy((record)->local_address, &common->skc_rcv_saddr, 4);      \
			__builtin_memcpy((record)->remote_address, &common->skc_daddr, 4);         \
		}                                                                                  \
	})

#endif
