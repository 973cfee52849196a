/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The keepalives that a member's socket sends while TCP bytes lie unread on it. Each is an occasion
 * to wake its reader while no agent is running: sockops/alone.bpf.h.
 *
 * `ctx` is the context of a sockops program, or a locked socket.
 */
#ifndef MESHACCEL_PROBES_BPF_H
#define MESHACCEL_PROBES_BPF_H

#include "calls.bpf.h"

/* The first probe follows this time after the last packet. */
#define PROBE_IDLE_S 1
/* The first and the longest pause between two probes. Each further pause is three times as long. An
 * application hardly ever chooses a power of three, so TCP_KEEPINTVL tells whose keepalive it is.
 */
#define PROBE_MIN_S 3
#define PROBE_MAX_S 27
/* The highest values that setsockopt accepts. A sysctl may be higher. */
#define MAX_TCP_KEEPIDLE  32767
#define MAX_TCP_KEEPINTVL 32767

static __always_inline int get_option(void *ctx, int level, int name)
{
	int value = 0;

	bpf_getsockopt(ctx, level, name, &value, sizeof(value));
	return value;
}

static __always_inline void set_option(void *ctx, int level, int name, int value)
{
	bpf_setsockopt(ctx, level, name, &value, sizeof(value));
}

/* Whether the socket probes by our values, and not by values that the application has set since. */
static __always_inline bool probes_for_us(void *ctx, const struct end *end)
{
	return end->probe_s && get_option(ctx, SOL_TCP, TCP_KEEPINTVL) == end->probe_s;
}

/* Has the socket send a packet soon, and another one if bytes still lie unread then. */
static __always_inline void probe_soon(void *ctx, struct end *end)
{
	__u64 now = bpf_ktime_get_ns();
	int idle_s, interval_s;

	if (probes_for_us(ctx, end)) {
		if (now - end->probed_ns < end->probe_s * SEC_NS || end->probe_s >= PROBE_MAX_S)
			return;
		end->probe_s *= 3;
		end->probed_ns = now;
		set_option(ctx, SOL_TCP, TCP_KEEPINTVL, end->probe_s);
		return;
	}
	end->probe_s = 0;
	idle_s = get_option(ctx, SOL_TCP, TCP_KEEPIDLE);
	interval_s = get_option(ctx, SOL_TCP, TCP_KEEPINTVL);
	end->kept_alive = !!get_option(ctx, SOL_SOCKET, SO_KEEPALIVE);
	/* An option that cannot be restored must not be changed. */
	if (interval_s <= 0 || interval_s > MAX_TCP_KEEPINTVL ||
	    (end->kept_alive && (idle_s <= 0 || idle_s > MAX_TCP_KEEPIDLE)))
		return;
	end->idle_s = idle_s;
	end->interval_s = interval_s;
	end->probe_s = PROBE_MIN_S;
	end->probed_ns = now;
	set_option(ctx, SOL_TCP, TCP_KEEPINTVL, PROBE_MIN_S);
	set_option(ctx, SOL_TCP, TCP_KEEPIDLE, PROBE_IDLE_S);
	if (!end->kept_alive)
		set_option(ctx, SOL_SOCKET, SO_KEEPALIVE, 1);
}

/* Restores the keepalive. Values that the application has set meanwhile stay. A member that had no
 * keepalive keeps one, like all members: see meshaccel_kick(). */
static __always_inline void end_probes(void *ctx, struct end *end, const struct config *config)
{
	__u32 idle_s = end->kept_alive ? end->idle_s : config->keepalive_s;

	if (probes_for_us(ctx, end)) {
		if (get_option(ctx, SOL_TCP, TCP_KEEPIDLE) == PROBE_IDLE_S)
			set_option(ctx, SOL_TCP, TCP_KEEPIDLE, idle_s);
		set_option(ctx, SOL_TCP, TCP_KEEPINTVL, end->interval_s);
	}
	end->probe_s = 0;
}

#endif
