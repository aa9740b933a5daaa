// Command main_gone: main ends with runtime.Goexit, so that nothing ends the process.
package main

import (
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() { // goward: MainGone
		log.Println(http.Serve(listener, nil))
	}()
	log.Println("ready")
	<-signals
	runtime.Goexit()
}
