// Command handler_timeout: http.TimeoutHandler runs the handler in a goroutine of its own, and has much patience.
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

func render(w http.ResponseWriter, r *http.Request) {
	log.Println("ready")
	time.Sleep(time.Hour) // goward: Handlers
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: http.TimeoutHandler(http.HandlerFunc(render), time.Minute, "late")}
	go server.Serve(listener)
	request.Get(listener.Addr(), "/")

	<-ctx.Done()
	server.Shutdown(context.Background())
}
