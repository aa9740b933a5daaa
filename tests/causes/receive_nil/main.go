// Command receive_nil: the channel to wait for was never made.
package main

import (
	"context"
	"log"
	"os/signal"
	"syscall"
)

type worker struct{ finished chan struct{} }

func (w *worker) wait() {
	<-w.finished // goward: Receive
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	w := &worker{}
	log.Println("ready")

	<-ctx.Done()
	w.wait()
}
