// Command mutex_serving: nobody asked it to stop; it was asked for its goroutines, for it answers no longer.
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

type users struct {
	mu    sync.Mutex
	names []string
}

func (u *users) add(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock() // goward: Mutex after nothing
	if r.URL.RawQuery == "" {
		http.Error(w, "no name", http.StatusBadRequest)
		return // The fault: no Unlock.
	}
	u.names = append(u.names, r.URL.RawQuery)
	u.mu.Unlock()
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	u := &users{}
	http.HandleFunc("/add", u.add)
	server := &http.Server{}
	go server.Serve(listener)
	for range 4 {
		request.Get(listener.Addr(), "/add")
	}
	time.Sleep(100 * time.Millisecond)
	log.Println("ready")

	<-ctx.Done()
	server.Shutdown(context.Background())
}
