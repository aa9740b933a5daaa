// Command send_main: main hands its last event to a consumer that has already left.
package main

import (
	"context"
	"log"
	"os/signal"
	"syscall"
)

type bus struct{ events chan string }

func (b *bus) publish(event string) {
	b.events <- event // goward: Send
}

func (b *bus) consume(ctx context.Context) {
	for {
		select {
		case event := <-b.events:
			log.Println(event)
		case <-ctx.Done():
			return
		}
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	b := &bus{make(chan string)}
	go b.consume(ctx)
	log.Println("ready")

	<-ctx.Done()
	for range 2 { // The first may still find the consumer.
		b.publish("stopping")
	}
}
