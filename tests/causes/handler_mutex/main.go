// Command handler_mutex: handlers wait for a mutex, and one that has it waits for a channel.
package main

import (
	"context"
	"log"
	"net"
	"net/http"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"example.com/causes/request"
)

type cache struct {
	mu      sync.Mutex
	entries map[string]string
	fresh   chan map[string]string
}

func (c *cache) get(key string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.entries[key]
}

func (c *cache) refresh() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries = <-c.fresh // goward: Handlers
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	c := &cache{fresh: make(chan map[string]string)}
	http.HandleFunc("/get", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(c.get(r.URL.RawQuery))) })
	http.HandleFunc("/refresh", func(w http.ResponseWriter, r *http.Request) { c.refresh() })
	server := &http.Server{}
	go server.Serve(listener)
	request.Get(listener.Addr(), "/refresh")
	time.Sleep(100 * time.Millisecond)
	for range 5 {
		request.Get(listener.Addr(), "/get?a")
	}
	time.Sleep(100 * time.Millisecond)
	log.Println("ready")

	<-ctx.Done()
	server.Shutdown(context.Background())
}
