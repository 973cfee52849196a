// SPDX-License-Identifier: Apache-2.0

// A TCP proxy as Go programs write it: LISTEN FORWARD. io.Copy between two TCP connections is splice(2).
package main

import (
	"io"
	"net"
)

func main() { forward(serve) }

func serve(client, server *net.TCPConn) {
	done := make(chan struct{})
	go func() {
		io.Copy(server, client)
		server.CloseWrite()
		close(done)
	}()
	io.Copy(client, server)
	client.CloseWrite()
	<-done
}
