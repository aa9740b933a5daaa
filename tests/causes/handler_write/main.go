// Command handler_write: a client asked for much and reads nothing of it.
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

func export(w http.ResponseWriter, r *http.Request) {
	row := make([]byte, 1<<16)
	log.Println("ready")
	for range 1 << 16 {
		w.Write(row) // goward: Handlers
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/export", export)
	server := &http.Server{}
	go server.Serve(listener)
	request.Get(listener.Addr(), "/export")

	<-ctx.Done()
	server.Shutdown(context.Background())
}
