// SPDX-License-Identifier: Apache-2.0
/* Socket options, timeouts of the connection itself, and obstacles between the ends. */
#define _GNU_SOURCE
#include "probe.h"
#include <linux/tls.h>
#include <time.h>

#ifndef TCP_ULP
#define TCP_ULP 31
#endif
#ifndef SOL_TLS
#define SOL_TLS 282
#endif

#define LONGER_THAN_CONNTRACK_MS 5000

static void one_turn(void)
{
	SAW(send(client, "question", 8, 0));
	GOT(recv(server, buffer, 100, 0));
	SAW(send(server, "answer", 6, 0));
	GOT(recv(client, buffer, 100, 0));
}

/* SO_KEEPALIVE is left out: the agent sets it for members that have none, some time after the join.
 */
static void options(void)
{
	mid();
	one_turn();
	SAW(get_option(client, SOL_SOCKET, SO_RCVLOWAT));
	SAW(get_option(client, SOL_SOCKET, SO_ERROR));
	SAW(get_option(client, SOL_SOCKET, SO_PROTOCOL));
	SAW(get_option(client, SOL_SOCKET, SO_ACCEPTCONN));
	SAW(get_option(client, IPPROTO_TCP, TCP_NODELAY));
}

static void own_keepalive(void)
{
	set_option(client, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_option(client, IPPROTO_TCP, TCP_KEEPIDLE, 1);
	set_option(client, IPPROTO_TCP, TCP_KEEPINTVL, 1);
	SAW(get_option(client, IPPROTO_TCP, TCP_KEEPIDLE));
}

static void keepalive(void)
{
	own_keepalive();
	mid();
	one_turn();
	/* Longer than the time between two of its probes. */
	usleep(2500000);
	one_turn();
	SAW(get_option(client, IPPROTO_TCP, TCP_KEEPIDLE));
	SAW(get_option(client, SOL_SOCKET, SO_KEEPALIVE));
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Takes turns for longer than the connection tracker keeps an idle connection. Then something has
 * to pass the tracker. */
static void outlive_conntrack(void)
{
	int failed = 0;
	long end;

	mid();
	end = now_ms() + LONGER_THAN_CONNTRACK_MS * patience();
	while (now_ms() < end) {
		failed += send(client, "question", 8, 0) != 8;
		failed += recv(server, buffer, 100, 0) != 8;
		failed += send(server, "answer", 6, 0) != 6;
		failed += recv(client, buffer, 100, 0) != 6;
		usleep(50000);
	}
	say("turns that failed: %d", failed);
	SAW(shutdown(client, SHUT_WR));
	await_events(server, POLLRDHUP);
}

static void outlive_with_keepalive(void)
{
	own_keepalive();
	outlive_conntrack();
}

/* Offsets of two fields that the C library's struct tcp_info lacks (linux/tcp.h). */
#define BYTES_ACKED    120
#define BYTES_RECEIVED 128

static uint64_t info_of(size_t offset)
{
	char info[256] = {};
	socklen_t length = sizeof(info);
	uint64_t value;

	if (getsockopt(client, IPPROTO_TCP, TCP_INFO, info, &length))
		die("TCP_INFO");
	memcpy(&value, info + offset, sizeof(value));
	return value;
}

static void tcp_info(void)
{
	uint64_t acked, received;

	mid();
	one_turn();
	settle();
	acked = info_of(BYTES_ACKED);
	received = info_of(BYTES_RECEIVED);
	one_turn();
	settle();
	say("bytes acknowledged %llu", (unsigned long long)(info_of(BYTES_ACKED) - acked));
	say("bytes received %llu", (unsigned long long)(info_of(BYTES_RECEIVED) - received));
}

/* The peer reads nothing for longer than the user timeout. */
static void user_timeout(void)
{
	struct pollfd one = {.fd = client, .events = POLLOUT};
	int refusals = 0;

	set_option(client, IPPROTO_TCP, TCP_USER_TIMEOUT, 500);
	mid();
	while (refusals < 2) {
		if (send(client, buffer, sizeof(buffer), MSG_DONTWAIT) > 0)
			refusals = 0;
		else if (errno != EAGAIN)
			break;
		else if (!poll(&one, 1, 50))
			refusals++;
	}
	one.events = 0;
	poll(&one, 1, 8000 * patience());
	saw_events("the sender", one.revents);
	SAW(get_option(client, SOL_SOCKET, SO_ERROR));
}

/* A rule that drops the connection's packets. */
static void dropped(void)
{
	struct sockaddr_in a, b;
	socklen_t length = sizeof(a);
	struct pollfd one = {.fd = client};
	char rule[200];

	mid();
	one_turn();
	settle();
	getsockname(client, (struct sockaddr *)&a, &length);
	getsockname(server, (struct sockaddr *)&b, &length);
	snprintf(rule, sizeof(rule),
		 "iptables -w -I OUTPUT -p tcp --sport %d --dport %d -j DROP >/dev/null 2>&1",
		 ntohs(a.sin_port), ntohs(b.sin_port));
	if (system(rule))
		die("iptables");
	set_option(client, IPPROTO_TCP, TCP_USER_TIMEOUT, 500);
	SAW(send(client, "lost", 4, 0));
	poll(&one, 1, 4000 * patience());
	saw_events("the sender", one.revents);
	GOT(recv(server, buffer, 10, MSG_DONTWAIT));
}

static void tls(void)
{
	struct tls12_crypto_info_aes_gcm_128 keys = {
	    .info = {.version = TLS_1_2_VERSION, .cipher_type = TLS_CIPHER_AES_GCM_128},
	};

	mid();
	if (setsockopt(client, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) && errno == ENOENT)
		not_here("no TLS in the kernel");
	SAW(setsockopt(server, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")));
	SAW(setsockopt(client, SOL_TLS, TLS_TX, &keys, sizeof(keys)));
	SAW(setsockopt(server, SOL_TLS, TLS_RX, &keys, sizeof(keys)));
	SAW(send(client, "hello", 5, 0));
	GOT(recv(server, buffer, 100, 0));
	SAW(send(client, "again", 5, 0));
	GOT(recv(server, buffer, 100, 0));
	SAW(send(server, "answer", 6, 0));
	GOT(recv(client, buffer, 100, 0));
}

const struct probe option_probes[] = {
    {"socket-options", options},
    {"keepalive", keepalive},
    {"conntrack-expires", outlive_conntrack},
    {"conntrack-expires-keepalive", outlive_with_keepalive},
    {"tcp-info", tcp_info},
    {"tcp-user-timeout", user_timeout},
    {"packets-dropped", dropped},
    {"ktls-after-connect", tls},
    {},
};
