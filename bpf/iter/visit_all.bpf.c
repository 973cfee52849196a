// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Does the work of tc/visit.bpf.c in all namespaces at once. Linux 7.3 lets no tc program put a
 * socket into a sockhash, but an iterator may. This one goes over the records of all watched
 * sockets. So it takes no lock that a process can hold either. The agent never runs it while the
 * scan runs. Any output asks the agent for one more run at once.
 */
#include "scan/join.bpf.h"
#include "scan/leave.bpf.h"
#include "scan/pair.bpf.h"

SEC("?iter/bpf_sk_storage_map")
int meshaccel_visit_all(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	const __u8 at_once = 1;
	struct config *config = config_get();
	const struct watched *watched;
	struct sock *sk = ctx->sk;
	struct tcp_sock *tp;
	struct end *end;
	__u32 index;

	if (!sk || !config)
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return 0;
	end = bpf_sk_storage_get(&meshaccel_ends, tp, NULL, 0);
	if (!end)
		return 0;
	index = end->index;
	if (!is_wanted(index))
		return 0;
	watched = bpf_map_lookup_elem(&meshaccel_watched, &index);
	if (!watched || watched->cookie != end->cookie)
		unwant_index(index);
	else if (visit((struct bpf_sock *)sk, tp, end, config))
		bpf_seq_write(ctx->meta->seq, &at_once, sizeof(at_once));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
