// Command loop_main: main itself is the loop. It was to look at the context now and then, and does not.
package main

import (
	"context"
	"log"
	"os/signal"
	"syscall"
	"time"
)

func run(ctx context.Context, jobs <-chan func()) {
	ticker := time.NewTicker(time.Hour)
	defer ticker.Stop()
	log.Println("ready")
	for ctx.Err() == nil {
		select { // goward: Loop
		case <-ticker.C:
		case job := <-jobs:
			job()
		}
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	run(ctx, make(chan func()))
}
