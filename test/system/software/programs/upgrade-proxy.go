// SPDX-License-Identifier: Apache-2.0

// A reverse proxy that reads requests and answers, and turns to splice(2) after an upgrade: LISTEN FORWARD.
package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

func main() { forward(serve) }

func serve(client, server *net.TCPConn) {
	fromClient, fromServer := bufio.NewReader(client), bufio.NewReader(server)
	for {
		request, err := http.ReadRequest(fromClient)
		if err != nil || request.Write(server) != nil {
			return
		}
		answer, err := http.ReadResponse(fromServer, request)
		if err != nil {
			return
		}
		if answer.StatusCode == http.StatusSwitchingProtocols {
			io.WriteString(client, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
			break
		}
		if answer.Write(client) != nil {
			return
		}
	}
	done := make(chan struct{})
	go func() {
		pass(server, fromClient, client)
		close(done)
	}()
	pass(client, fromServer, server)
	<-done
}

// What was read too early goes first, the rest by splice.
func pass(to *net.TCPConn, early *bufio.Reader, from *net.TCPConn) {
	defer to.CloseWrite()
	if _, err := io.CopyN(to, early, int64(early.Buffered())); err != nil {
		return
	}
	io.Copy(to, from)
}
