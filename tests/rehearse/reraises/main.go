// Command reraises stops well, and then ends by the signal that it was stopped with, as etcd does.
package main

import (
	"context"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	server := &http.Server{Addr: "127.0.0.1:" + os.Getenv("PORT")}
	http.HandleFunc("/slow", func(w http.ResponseWriter, _ *http.Request) { time.Sleep(100 * time.Millisecond) })
	go server.ListenAndServe()
	<-signals
	server.Shutdown(context.Background())
	signal.Reset(syscall.SIGTERM)
	syscall.Kill(os.Getpid(), syscall.SIGTERM)
	time.Sleep(time.Second)
}
