// Command loop_ticker: a worker lives by its ticker and is never told to stop.
package main

import (
	"context"
	"log"
	"os/signal"
	"syscall"
	"time"
)

func report(done chan<- struct{}) {
	defer close(done)
	ticker := time.NewTicker(time.Hour)
	defer ticker.Stop()
	retry := make(chan error)
	for {
		select { // goward: Loop
		case <-ticker.C:
			log.Println("alive")
		case err := <-retry:
			log.Println(err)
		}
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	done := make(chan struct{})
	go report(done)
	log.Println("ready")

	<-ctx.Done()
	<-done
}
