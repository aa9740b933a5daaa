// Command handler_goroutine: Shutdown runs beside main, as the documentation of net/http shows it; main waits for it.
package main

import (
	"context"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"example.com/causes/request"
)

func poll(w http.ResponseWriter, r *http.Request) {
	log.Println("ready")
	for {
		time.Sleep(100 * time.Millisecond) // goward: Handlers
	}
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/poll", poll)
	server := &http.Server{}
	closed := make(chan struct{})
	go func() {
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGTERM)
		request.Get(listener.Addr(), "/poll")
		<-signals
		server.Shutdown(context.Background())
		close(closed)
	}()
	if err := server.Serve(listener); err != http.ErrServerClosed {
		log.Fatal(err)
	}
	<-closed
}
