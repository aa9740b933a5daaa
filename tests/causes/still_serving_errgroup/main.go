// Command still_serving_errgroup: of a worker and a server that main waits for, only the worker was given the context.
package main

import (
	"context"
	"log"
	"net"
	"net/http"
	"os/signal"
	"syscall"

	"golang.org/x/sync/errgroup"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return http.Serve(listener, nil) })
	group.Go(func() error {
		<-ctx.Done()
		return nil
	})
	log.Println("ready")
	log.Fatal(group.Wait()) // goward: StillServing
}
