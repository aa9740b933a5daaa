// Command serving: nothing is wrong with it, and nobody asked it to stop: somebody wants to see its goroutines.
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
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{}
	go server.Serve(listener)
	log.Println("ready")

	<-ctx.Done() // goward: Unknown after nothing
	server.Shutdown(context.Background())
}
