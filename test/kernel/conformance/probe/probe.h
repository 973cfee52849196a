/* SPDX-License-Identifier: Apache-2.0 */
/* Plays both ends of one connection and reports what the application saw.
 *
 * A case is a function that works on the descriptors `client` and `server`. Its report holds
 * nothing that depends on timing, so that two runs can be compared line by line. The macros report
 * a call as it is written here, with its result.
 */
#ifndef PROBE_H
#define PROBE_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* Bytes in each direction of a turn of the warm-up. */
#define TURN 16

struct probe {
	const char *name;
	void (*run)(void);
	/* The reader's behaviour from the first byte on. In the arm `trusted` it begins after the
	 * join. */
	void (*habit)(void);
	/* How the warm-up reads. Uses recv() by default, and in the arm `trusted`. */
	ssize_t (*receive)(int fd, void *to, size_t length);
	/* Makes the connection. Uses plain TCP over IPv4 by default. Runs before `habit`. */
	void (*open)(void);
	bool nonblocking;
};

/* Each list ends with an entry that has no name. */
extern const struct probe receive_probes[], peek_probes[], send_probes[], zerocopy_probes[],
    urgent_probes[], ready_probes[], closing_probes[], reset_probes[], signal_probes[],
    uring_probes[], sharing_probes[], handshake_probes[], option_probes[], splice_probes[];

extern int client, server;
extern char buffer[1 << 20];

/* The middle of a case. The arm `mid` joins here. Nothing happens in the other arms. */
void mid(void);

/* A factor for waits that should end by an event: MESHACCEL_PATIENCE from the environment, for slow
 * machines. */
int patience(void);

/* transcript.c */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
long saw(const char *call, long result);
/* Also reports the bytes: short text as it is, anything else by its digest. */
ssize_t got(const char *call, ssize_t length, const void *bytes);
void saw_events(const char *what, uint32_t events);
void die(const char *what);
/* Ends the case because this kernel cannot run it. */
void not_here(const char *why) __attribute__((noreturn));
void transcript_end(void) __attribute__((noreturn));
void watch_for_hang(void);

#define SAW(call) saw(#call, (long)(call))
#define GOT(call) got(#call, (call), buffer)

/* arm64 lacks these. Its C library makes the newer calls instead. */
#ifndef SYS_poll
#define SYS_poll       SYS_ppoll
#define SYS_epoll_wait SYS_epoll_pwait
#endif

/* task.c: threads of a case. The report of a thread is printed when it is finished. */
struct task *start(void (*run)(void));
/* Waits until the task sleeps in the system call, or has ended. */
void until_asleep_in(struct task *task, long call);
void finish(struct task *task);
void interrupt_with(struct task *task, int signal);

/* sockets.c */
void open_tcp(int family, const char *address, int listener_protocol, int client_protocol);
void open_ipv4(void);
/* Waits until all that was sent has arrived. */
void settle(void);
/* Waits for one of the events, and reports all that are present then. */
void await_events(int fd, short events);
/* Reports which events are present. */
void look_for_events(int fd, short events);
void set_option(int fd, int level, int option, int value);
int get_option(int fd, int level, int option);
void set_nonblocking(int fd);
/* Waits until the call returns true. */
void until(bool (*is_true)(void));
void fill_text(char *to, size_t length);
/* Reads until this many bytes have arrived, or the end. */
void receive_all(int fd, size_t length);
/* Sends `again` to the server. Either end may have reset the connection. */
void say_sent(void);
ssize_t plain_receive(int fd, void *to, size_t length);

#endif
