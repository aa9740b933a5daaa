// Command handler_body: a client promised a body and sends only half of it.
package main

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"os/signal"
	"syscall"

	"example.com/causes/request"
)

func upload(w http.ResponseWriter, r *http.Request) {
	log.Println("ready")
	body, err := io.ReadAll(r.Body) // goward: Handlers
	log.Println(len(body), err)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/upload", upload)
	server := &http.Server{}
	go server.Serve(listener)
	request.Send(listener.Addr(), "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhello")

	<-ctx.Done()
	server.Shutdown(context.Background())
}
