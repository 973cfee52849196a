// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* The same verdict for kernels before Linux 6.2, which lack bpf_rdonly_cast(). */
#define VERDICT meshaccel_verdict_by_probe
#include "verdict.bpf.c"
