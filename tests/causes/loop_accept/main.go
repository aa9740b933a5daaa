// Command loop_accept stops, but for who accepts connections: that one looks for the stop between two of them, and nobody closes
// the listener. Others wait for their work, as they do while it runs.
package main

import (
	"context"
	"log"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"
)

type app struct {
	cancel  context.CancelFunc
	stopped chan struct{}
}

func (a *app) accept(ctx context.Context, listener *net.TCPListener) {
	defer close(a.stopped)
	for ctx.Err() == nil {
		_ = listener.SetDeadline(time.Now().Add(time.Minute))
		connection, err := listener.Accept() // goward: Loop
		if err == nil {
			_ = connection.Close()
		}
	}
}

func (a *app) tidy() {
	for {
		time.Sleep(time.Minute) // goward: never
	}
}

func (a *app) Stop() {
	a.cancel()
	<-a.stopped
}

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	a := &app{cancel: cancel, stopped: make(chan struct{})}
	go a.accept(ctx, listener)
	go a.tidy()
	go func() {
		<-signals
		a.Stop()
	}()
	log.Println("ready")
	<-a.stopped // goward: never
}
