// Command busy: main waits for a computation without end.
package main

import (
	"context"
	"log"
	"os/signal"
	"sync"
	"syscall"
)

func wander() (n uint64) {
	for n = 27; n != 0; n = n/2 + n%2*(n+1)*3 { // goward: Busy
	}
	return n
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var running sync.WaitGroup
	running.Add(1)
	go func() { // goward: Busy
		defer running.Done()
		log.Println(wander())
	}()
	log.Println("ready")

	<-ctx.Done()
	running.Wait()
}
