/* SPDX-License-Identifier: Apache-2.0 */
/* io_uring through its system calls, one entry at a time. */
#ifndef URING_H
#define URING_H

#include <linux/io_uring.h>
#include <stdint.h>

/* Ends the case where this kernel has no io_uring. */
void ring_open(void);
/* Submits the entry without waiting for it. */
void ring_submit(struct io_uring_sqe entry);
/* Returns the next completion: its result, an errno as a negative number, and its flags. */
int ring_wait(uint32_t *flags);
int ring_do(struct io_uring_sqe entry);
/* Reports a result like that of a system call. */
void say_ring(const char *what, int result, const void *bytes);

#endif
