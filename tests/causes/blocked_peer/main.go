// Command blocked_peer: the shutdown says goodbye to a peer that does not answer, without a deadline.
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"net"
	"os/signal"
	"syscall"
)

func leave(peer net.Conn) (string, error) {
	fmt.Fprintln(peer, "QUIT")
	return bufio.NewReader(peer).ReadString('\n') // goward: Blocked
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	peer, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	log.Println("ready")

	<-ctx.Done()
	log.Println(leave(peer))
}
