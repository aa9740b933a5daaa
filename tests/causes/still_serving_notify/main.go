// Command still_serving_notify: the signal is logged, and that is all. Slow handlers have nothing to do with it.
package main

import (
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"example.com/causes/request"
)

func slow(w http.ResponseWriter, r *http.Request) {
	time.Sleep(time.Minute) // goward: never
}

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	go func() {
		for s := range signals {
			log.Println("got", s)
		}
	}()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/slow", slow)
	for range 3 {
		request.Get(listener.Addr(), "/slow")
	}
	log.Println("ready")
	log.Fatal(http.Serve(listener, nil)) // goward: StillServing
}
