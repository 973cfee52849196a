// SPDX-License-Identifier: Apache-2.0

// A TCP proxy as Go programs write it: LISTEN FORWARD. io.Copy between two TCP connections is splice(2).
package main

import (
	"io"
	"log"
	"net"
	"os"
)

func main() {
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	for {
		client, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(client.(*net.TCPConn), os.Args[2])
	}
}

func serve(client *net.TCPConn, forward string) {
	defer client.Close()
	conn, err := net.Dial("tcp", forward)
	if err != nil {
		return
	}
	server := conn.(*net.TCPConn)
	defer server.Close()
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
