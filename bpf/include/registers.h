/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The registers of the target machine, as asm/ptrace.h defines them for user space. vmlinux.h
 * includes them: it is the same file for all machines. */
#if defined(__TARGET_ARCH_arm64)
struct user_pt_regs {
	unsigned long long regs[31];
	unsigned long long sp;
	unsigned long long pc;
	unsigned long long pstate;
};
#elif defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di;
	unsigned long orig_ax, ip, cs, flags, sp, ss;
};
#endif
