// Command signal_goroutine: main waits for ever, and what the signal started hangs before it can exit.
package main

import (
	"log"
	"net"
	"os"
	"os/signal"
	"syscall"
)

func deregister(registry net.Conn) {
	answer := make([]byte, 2)
	registry.Read(answer) // goward: Blocked
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	registry, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	go func() {
		<-signals
		deregister(registry)
		os.Exit(0)
	}()
	log.Println("ready")
	select {}
}
