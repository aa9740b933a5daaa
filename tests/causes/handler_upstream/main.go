// Command handler_upstream: a handler asks an upstream that accepts and never answers, without the request's context.
package main

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"example.com/causes/request"
)

type proxy struct{ upstream string }

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	response, err := http.Get(p.upstream + r.URL.Path) // goward: Handlers
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer response.Body.Close()
	io.Copy(w, response.Body)
}

func listen() net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	return listener
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	silent, listener := listen(), listen()
	server := &http.Server{Handler: &proxy{"http://" + silent.Addr().String()}}
	go server.Serve(listener)
	request.Get(listener.Addr(), "/orders")
	if conn, err := silent.Accept(); err == nil {
		defer conn.Close()
	}
	log.Println("ready")

	<-ctx.Done()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		log.Println(err)
	}
}
