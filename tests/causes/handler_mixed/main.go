// Command handler_mixed: one handler waits for a mutex that nobody unlocked; most wait for something else.
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

var mu sync.Mutex

func locked(w http.ResponseWriter, r *http.Request) {
	mu.Lock() // goward: never
	defer mu.Unlock()
}

func stream(w http.ResponseWriter, r *http.Request) {
	ticker := time.NewTicker(time.Hour)
	defer ticker.Stop()
	more := make(chan []byte)
	for {
		select { // goward: Handlers
		case <-ticker.C:
		case bytes := <-more:
			w.Write(bytes)
		}
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/locked", locked)
	http.HandleFunc("/stream", stream)
	server := &http.Server{}
	go server.Serve(listener)
	mu.Lock()
	request.Get(listener.Addr(), "/locked")
	for range 5 {
		request.Get(listener.Addr(), "/stream")
	}
	time.Sleep(100 * time.Millisecond)
	log.Println("ready")

	<-ctx.Done()
	server.Shutdown(context.Background())
}
