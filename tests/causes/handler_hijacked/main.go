// Command handler_hijacked: three hijacked connections, for which Shutdown does not wait, beside one handler, for which it does.
package main

import (
	"bufio"
	"context"
	"log"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"example.com/causes/request"
)

func socket(w http.ResponseWriter, r *http.Request) {
	conn, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	readAll(buffered.Reader)
}

func readAll(messages *bufio.Reader) {
	for {
		if _, err := messages.ReadString('\n'); err != nil { // goward: never
			return
		}
	}
}

func charge(w http.ResponseWriter, r *http.Request) {
	select { // goward: Handlers
	case <-make(chan bool):
	case <-time.After(time.Hour):
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/socket", socket)
	http.HandleFunc("/charge", charge)
	server := &http.Server{}
	go server.Serve(listener)
	for range 3 {
		request.Get(listener.Addr(), "/socket")
	}
	request.Get(listener.Addr(), "/charge")
	time.Sleep(100 * time.Millisecond)
	log.Println("ready")

	<-ctx.Done()
	server.Shutdown(context.Background())
}
