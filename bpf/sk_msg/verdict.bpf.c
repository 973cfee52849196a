// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Decides for each send of a member: to the peer's queue, or to TCP. */
#define PEEK_BY_CAST
#include "verdict.bpf.h"

SEC("sk_msg")
int meshaccel_verdict(struct sk_msg_md *msg)
{
	struct bpf_sock *sk = msg->sk;
	struct conn *conn;
	struct end *end;

	if (!sk)
		return SK_PASS;
	end = bpf_sk_storage_get(&meshaccel_ends, sk, NULL, 0);
	if (!end)
		return SK_PASS;
	conn = conn_of(end);
	if (!conn)
		return SK_PASS;
	return verdict(msg, end, conn, end->conn - 1);
}

char LICENSE[] SEC("license") = "GPL";
