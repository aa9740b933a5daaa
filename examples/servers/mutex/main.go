// Command mutex deadlocks: a handler holds a mutex for ever, and the shutdown
// wants the same one to save its state.
//
// goward's dump shows goroutine 1 in sync.(*Mutex).Lock below main.(*counter).save,
// and the holder, which locks twice: main.(*counter).add calls save.
//
//	goward -- ./mutex -now
//
// Without -now it behaves until somebody asks for /add.
package main

import (
	"context"
	"flag"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) add() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	slog.Info("adding", "n", c.n)
	c.save() // The fault: save locks too, and a sync.Mutex cannot be locked twice.
}

func (c *counter) save() {
	c.mu.Lock()
	defer c.mu.Unlock()
	slog.Info("saved", "n", c.n)
}

func main() {
	now := flag.Bool("now", false, "call /add at once, so that no client is needed")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()

	addr := ":8080"
	if port := os.Getenv("PORT"); port != "" {
		addr = ":" + port
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		slog.Error("cannot listen", "err", err)
		os.Exit(1)
	}
	var hits counter
	http.HandleFunc("GET /add", func(http.ResponseWriter, *http.Request) { hits.add() })
	http.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	server := &http.Server{}
	go server.Serve(listener)
	slog.Info("serving", "addr", listener.Addr().String())
	if *now {
		go http.Get("http://" + listener.Addr().String() + "/add")
	}

	<-ctx.Done()
	slog.Info("stopping")
	hits.save()
	server.Shutdown(context.Background())
	slog.Info("stopped")
}
