// Command loop_sleep: a poller sleeps between its rounds and knows no end.
package main

import (
	"context"
	"log"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

func poll() {
	for round := 0; ; round++ {
		if round == 1 {
			log.Println("ready")
		}
		time.Sleep(50 * time.Millisecond) // goward: Loop
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var background sync.WaitGroup
	background.Go(poll)

	<-ctx.Done()
	background.Wait()
}
