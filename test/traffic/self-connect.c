// SPDX-License-Identifier: Apache-2.0
/* A socket that is connected to itself. It sends and receives a byte again and again until it is
 * killed.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				      .sin_port = htons(7100)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	unsigned char out = 0, in;

	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		perror("self-connect");
		return 1;
	}
	printf("{\"event\":\"ready\"}\n");
	fflush(stdout);
	for (;; out++) {
		if (send(fd, &out, 1, 0) != 1 || recv(fd, &in, 1, 0) != 1 || in != out) {
			fprintf(stderr, "self-connect: wrong byte\n");
			return 1;
		}
	}
}
