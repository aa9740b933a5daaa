// Command still_serving_dropped: the signal comes while it sets up, and its channel has no room to keep it.
package main

import (
	"context"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

type service struct {
	stop   chan os.Signal
	server http.Server
}

func newService() *service {
	return &service{stop: make(chan os.Signal)} // The fault: no room for one.
}

// setUp takes until the signal has come.
func setUp() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	defer signal.Stop(signals)
	log.Println("ready")
	<-signals
}

func main() {
	s := newService()
	signal.Notify(s.stop, syscall.SIGTERM)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	setUp()
	go s.server.Serve(listener)
	<-s.stop // goward: StillServing
	s.server.Shutdown(context.Background())
}
