// Command still_serving_unread: it asks for the signal, and nobody reads the channel.
package main

import (
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{}
	log.Println("ready")
	err = server.Serve(listener) // goward: StillServing
	log.Println(err)
	<-signals
	server.Close()
}
