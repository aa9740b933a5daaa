// Package request sends raw requests, so that no goroutine of a client is in the dump.
package request

import (
	"fmt"
	"net"
)

var kept []net.Conn

// Send connects, writes, and keeps the connection open without reading from it.
func Send(address net.Addr, text string) {
	conn, err := net.Dial(address.Network(), address.String())
	if err != nil {
		panic(err)
	}
	kept = append(kept, conn)
	fmt.Fprint(conn, text)
}

// Get asks for a path.
func Get(address net.Addr, path string) {
	Send(address, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
}
