// Command still_serving_context: the context of the signal goes to a worker, which leaves. Nobody tells the server.
package main

import (
	"context"
	"log"
	"net"
	"net/http"
	"os/signal"
	"syscall"
)

func work(ctx context.Context) {
	<-ctx.Done()
	log.Println("worker stopped")
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go work(ctx)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() { failed <- http.Serve(listener, nil) }()
	log.Println("ready")
	log.Fatal(<-failed) // goward: StillServing
}
