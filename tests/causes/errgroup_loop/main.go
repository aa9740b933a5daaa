// Command errgroup_loop: one of two workers looks at the context, the other does not.
package main

import (
	"context"
	"log"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

func consume(ctx context.Context, queue <-chan string) error {
	for {
		select { // goward: never
		case item := <-queue:
			log.Println(item)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func publish(queue chan<- string) error {
	flush := time.NewTicker(time.Hour)
	hurry := make(chan struct{})
	for {
		select { // goward: Loop
		case <-flush.C:
			queue <- "flush"
		case <-hurry:
			queue <- "hurry"
		}
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	queue := make(chan string)
	group.Go(func() error { return consume(ctx, queue) })
	group.Go(func() error { return publish(queue) })
	log.Println("ready")
	if err := group.Wait(); err != nil {
		log.Println(err)
	}
}
