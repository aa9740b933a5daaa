// Command unhandled_ignored: it ignores the signal by which it is stopped, as the kernel tells.
package main

import (
	"log"
	"net"
	"net/http"
	"os/signal"
	"syscall"
)

func main() {
	signal.Ignore(syscall.SIGTERM)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	log.Println("ready")
	log.Fatal(http.Serve(listener, nil)) // goward: Unhandled
}
