// Command handler_waitgroup: a handler asks three shards at once, and waits for all. One of them never answers.
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

type shard struct{ answers chan string }

func (s shard) ask() string {
	return <-s.answers // goward: Handlers
}

func search(w http.ResponseWriter, r *http.Request) {
	var asked sync.WaitGroup
	for i := range 3 {
		s := shard{make(chan string, 1)}
		if i != 1 {
			s.answers <- "found"
		}
		asked.Add(1)
		go func() {
			defer asked.Done()
			w.Write([]byte(s.ask()))
		}()
	}
	log.Println("ready")
	asked.Wait() // goward: never
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/search", search)
	server := &http.Server{}
	go server.Serve(listener)
	request.Get(listener.Addr(), "/search")

	<-ctx.Done()
	server.Shutdown(context.Background())
}
