/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOCKETS_H
#define SOCKETS_H

#include <stdint.h>

/* Fills in the options from name=value arguments. */
void parse_options(int argc, char **argv);

/* These end the process with a message when something fails. */
void die(const char *what);
int listen_on(void);
int accept_one(int listener);
int connect_one(uint32_t index);
void make_nonblocking(int fd);

#endif
