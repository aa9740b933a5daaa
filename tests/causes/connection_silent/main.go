// Command connection_silent: a client connected and sent no request. Shutdown waits five seconds for it.
package main

import (
	"context"
	"log"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"example.com/causes/request"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{}
	go server.Serve(listener)
	request.Send(listener.Addr(), "")
	time.Sleep(100 * time.Millisecond)
	log.Println("ready")

	<-ctx.Done()
	server.Shutdown(context.Background()) // goward: Handlers
}
