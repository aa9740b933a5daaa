// Command handler_shutdown: a handler that shuts down its own server waits for itself.
package main

import (
	"context"
	"log"
	"net"
	"net/http"
	"time"

	"example.com/causes/request"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{}
	http.HandleFunc("/quit", func(http.ResponseWriter, *http.Request) {
		server.Shutdown(context.Background()) // goward: Handlers after nothing
	})
	request.Get(listener.Addr(), "/quit")
	done := make(chan struct{})
	go func() {
		server.Serve(listener)
		close(done)
	}()
	time.Sleep(100 * time.Millisecond)
	log.Println("ready")
	<-done
	select {}
}
