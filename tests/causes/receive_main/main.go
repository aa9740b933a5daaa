// Command receive_main: main waits for a worker that left without a word, beside others that leaked.
package main

import (
	"context"
	"log"
	"os/signal"
	"syscall"
)

type subscription struct{ events chan int }

func subscribe() *subscription {
	s := &subscription{make(chan int)}
	go s.follow()
	return s
}

func (s *subscription) follow() {
	for range s.events { // goward: never
	}
}

func work(ctx context.Context, done chan<- error) {
	<-ctx.Done()
	if ctx.Err() != nil {
		return // The fault: nothing is sent.
	}
	done <- nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	for range 20 {
		subscribe()
	}
	done := make(chan error)
	go work(ctx, done)
	log.Println("ready")

	<-ctx.Done()
	err := <-done // goward: Receive
	log.Println(err)
}
