// Command idle_worker: a worker without work, asked for its goroutines. Nothing holds it up.
package main

import (
	"context"
	"log"
	"os/signal"
	"syscall"
	"time"
)

func work(ctx context.Context) {
	for {
		select {
		case <-time.After(time.Hour):
		case <-ctx.Done():
			return
		}
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go work(ctx)
	log.Println("ready")
	<-ctx.Done() // goward: Unknown after nothing
}
