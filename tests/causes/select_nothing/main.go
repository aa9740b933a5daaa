// Command select_nothing: the server stops well, but main waits in a select without cases.
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

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{}
	go server.Serve(listener)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	go func() {
		<-signals
		server.Shutdown(context.Background())
		log.Println("stopped")
	}()
	log.Println("ready")
	select {} // goward: Receive
}
