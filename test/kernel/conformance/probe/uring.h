/* SPDX-License-Identifier: Apache-2.0 */
/* io_uring by its system calls: one entry at a time. */
#ifndef URING_H
#define URING_H

#include <linux/io_uring.h>
#include <stdint.h>

/* Ends the case where this kernel has no io_uring. */
void ring_open(void);
/* Hands the entry over, without waiting for it. */
void ring_submit(struct io_uring_sqe entry);
/* The next completion: its result, an errno as a negative number, and its flags. */
int ring_wait(uint32_t *flags);
int ring_do(struct io_uring_sqe entry);
/* Tells a result as if it were a system call's. */
void say_ring(const char *what, int result, const void *bytes);

#endif
