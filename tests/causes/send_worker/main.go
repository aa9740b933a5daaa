// Command send_worker: main waits for a producer whose consumer stopped receiving.
package main

import (
	"context"
	"log"
	"os/signal"
	"sync"
	"syscall"
)

func produce(lines chan<- int) {
	for i := 0; ; i++ {
		lines <- i // goward: Send
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	lines := make(chan int)
	var producers sync.WaitGroup
	producers.Add(1)
	go func() {
		defer producers.Done()
		produce(lines)
	}()
	for i := range lines {
		if i == 10 {
			log.Println("ready")
			break
		}
	}

	<-ctx.Done()
	producers.Wait()
}
