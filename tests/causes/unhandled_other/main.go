// Command unhandled_other: it listens, but not to SIGUSR1, by which it is stopped.
package main

import (
	"context"
	"log"
	"net"
	"net/http"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{}
	go server.Serve(listener)
	log.Println("ready")
	<-ctx.Done() // goward: Unhandled after SIGUSR1
	server.Shutdown(context.Background())
}
