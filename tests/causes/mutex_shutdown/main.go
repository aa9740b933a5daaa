// Command mutex_shutdown: the shutdown holds the mutex that a handler wants, and waits for the handler.
package main

import (
	"context"
	"log"
	"net"
	"net/http"
	"os/signal"
	"sync"
	"syscall"

	"example.com/causes/request"
)

type app struct {
	mu       sync.Mutex
	server   http.Server
	stopping chan struct{}
	visits   int
}

func (a *app) visit(w http.ResponseWriter, r *http.Request) {
	log.Println("ready")
	<-a.stopping
	a.mu.Lock()
	defer a.mu.Unlock()
	a.visits++
}

func (a *app) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.stopping)
	a.server.Shutdown(context.Background()) // goward: Handlers
	log.Println(a.visits)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	a := &app{stopping: make(chan struct{})}
	a.server.Handler = http.HandlerFunc(a.visit)
	go a.server.Serve(listener)
	request.Get(listener.Addr(), "/")

	<-ctx.Done()
	a.stop()
}
