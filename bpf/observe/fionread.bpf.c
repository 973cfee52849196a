// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* The FIONREAD watch: sees which programs ask how many bytes a socket holds.
 *
 * Many kernels give a wrong answer for a member. Most programs never ask. So the watch finds those
 * that do, and leaves them on TCP. The rest may join. The agent attaches it only where the
 * kernel may give a wrong answer (config.fionread_hides).
 *
 * A program is quarantined when it asks about any TCP socket of an enrolled pod. Most askers do so
 * before their first connection joins. If the socket is a member, the connection is sealed before
 * the answer. The next step depends on the bytes that the kernel hides:
 *
 *	TCP bytes		The end leaves at the next scan, which the quarantine causes at
 *				once. A kick follows if bytes are unread. The scan does the same
 *				for any unread TCP bytes of a member (wake_reader()). So a reader
 *				does not wait even if the kernel skips this program.
 *	redirected bytes	New bytes come by TCP, and the answer is right again. If redirected
 *				bytes are unread and stay so, the sweep resets the connection
 *				(sweep_asker()). The verdict makes this rare: learn_room().
 */
#include "descriptor.bpf.h"
#include "drained.bpf.h"
#include "quarantine.bpf.h"
#include <bpf/bpf_tracing.h>

#define FIONREAD 0x541b

/* A program of a pod that is quarantined already costs two lookups. */
static __always_inline void quarantine_asker(__u64 sk)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u64 netns_cookie = BPF_CORE_READ((struct sock *)sk, __sk_common.skc_net.net, net_cookie);
	__u64 inode;
	__u32 device;

	if (!pod_enabled(netns_cookie))
		return;
	executable_of(task, &inode, &device);
	if (!evidence_against(netns_cookie, inode, device))
		quarantine(task, netns_cookie, REASON_ASKS_FIONREAD);
}

static __always_inline int asked(__u64 sk)
{
	const struct config *config = config_get();
	struct member *member;
	struct conn *conn;
	__u32 role;
	bool hides;

	if (!sk || !config || !config->fionread_hides)
		return 0;
	quarantine_asker(sk);
	member = bpf_map_lookup_elem(&meshaccel_sockets, &sk);
	if (!member)
		return 0;
	role = member->role & 1;
	conn = bpf_map_lookup_elem(&meshaccel_conns, &member->slot);
	if (!conn || conn->ends[role].sk != sk || !is_socket(sk, conn->ends[role].cookie))
		return 0;

	hides = seal(conn, member->slot, REASON_ASKS_FIONREAD) &&
		config->fionread_hides & FIONREAD_HIDES_REDIRECTED &&
		!redirect_drained(conn, !role);
	WRITE_ONCE(conn->ends[role].asked, hides ? ASKED_UNREAD : ASKED);
	attend(conn, member->slot);
	return 0;
}

/* Costs nothing while no program asks, and sees io_uring too. Attached to tcp_ioctl, and to
 * tcp_bpf_ioctl where members have their own function. */
SEC("kprobe/tcp_ioctl")
int BPF_KPROBE(meshaccel_fionread, struct sock *sk, int command)
{
	return command == FIONREAD ? asked((__u64)sk) : 0;
}

/* For kernels without kprobes. It puts every system call of the node on the slow entry path. */
SEC("tracepoint/syscalls/sys_enter_ioctl")
int meshaccel_ioctl_call(struct trace_event_raw_sys_enter *ctx)
{
	__u64 sk = ctx->args[1] == FIONREAD ? socket_of(ctx->args[0]) : 0;

	/* Other families have sockets of other sizes. */
	if (!sk || BPF_CORE_READ_BITFIELD_PROBED((struct sock *)sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	return asked(sk);
}

char LICENSE[] SEC("license") = "GPL";
