// forward INBOUND_PORT OUTBOUND_PORT: accepts connections that rules have redirected, and forwards
// them to their original destination. It ends with its parent. Its readers never block.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter_ipv4.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 65536 };

static void check(int result, const char *what)
{
	if (result >= 0)
		return;
	perror(what);
	exit(1);
}

static int listen_at(const char *host, int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, host, &address.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	check(bind(fd, (struct sockaddr *)&address, sizeof(address)), "bind");
	check(listen(fd, 4096), "listen");
	return fd;
}

// Sends all of it, although the socket does not block.
static int send_all(int fd, const char *data, ssize_t size)
{
	while (size > 0) {
		ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);

		if (sent > 0) {
			data += sent;
			size -= sent;
		} else if (errno == EAGAIN) {
			poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
		} else {
			return -1;
		}
	}
	return 0;
}

static int connect_to(const struct sockaddr_in *to)
{
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (const struct sockaddr *)to, sizeof(*to))) {
		close(fd);
		return -1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

// Returns 0 while both directions are open.
static int pass(int from, int to)
{
	static __thread char buffer[BUFFER];
	ssize_t got = recv(from, buffer, sizeof(buffer), 0);

	if (got < 0 && errno == EAGAIN)
		return 0;
	return got <= 0 || send_all(to, buffer, got);
}

static void *forward(void *argument)
{
	int client = (int)(intptr_t)argument, server, over = 0, on = 1;
	struct sockaddr_in original = {0};
	socklen_t size = sizeof(original);

	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (getsockopt(client, SOL_IP, SO_ORIGINAL_DST, &original, &size)) {
		perror("SO_ORIGINAL_DST");
		close(client);
		return NULL;
	}
	server = connect_to(&original);
	while (server >= 0 && !over) {
		struct pollfd both[] = {{.fd = client, .events = POLLIN},
					{.fd = server, .events = POLLIN}};

		poll(both, 2, -1);
		over = (both[0].revents && pass(client, server)) ||
		       (both[1].revents && pass(server, client));
	}
	close(client);
	if (server >= 0)
		close(server);
	return NULL;
}

static void *accept_all(void *argument)
{
	int listener = (int)(intptr_t)argument;
	pthread_attr_t detached;

	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	for (;;) {
		int client = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		pthread_t thread;

		if (client >= 0 &&
		    pthread_create(&thread, &detached, forward, (void *)(intptr_t)client))
			close(client);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t inbound;

	if (argc != 3)
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pthread_create(&inbound, NULL, accept_all,
		       (void *)(intptr_t)listen_at("0.0.0.0", atoi(argv[1])));
	accept_all((void *)(intptr_t)listen_at("127.0.0.1", atoi(argv[2])));
	return 0;
}
