// Command handler_channel: a handler waits for an answer that nobody sends, beside leaked goroutines that hold up nothing.
package main

import (
	"context"
	"log"
	"net"
	"net/http"
	"os/signal"
	"syscall"

	"example.com/causes/request"
)

var answers = make(chan string)

func report(w http.ResponseWriter, r *http.Request) {
	log.Println("ready")
	w.Write([]byte(<-answers)) // goward: Handlers
}

func leak() {
	for range 50 {
		go func() { <-make(chan int) }() // goward: never
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/report", report)
	server := &http.Server{}
	go server.Serve(listener)
	leak()
	request.Get(listener.Addr(), "/report")

	<-ctx.Done()
	server.Shutdown(context.Background())
}
