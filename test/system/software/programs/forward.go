// SPDX-License-Identifier: Apache-2.0

package main

import (
	"log"
	"net"
	"os"
)

// LISTEN FORWARD: has each connection to the one served with one of its own to the other.
func forward(serve func(client, server *net.TCPConn)) {
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	for {
		client, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			defer client.Close()
			server, err := net.Dial("tcp", os.Args[2])
			if err != nil {
				return
			}
			defer server.Close()
			serve(client.(*net.TCPConn), server.(*net.TCPConn))
		}()
	}
}
