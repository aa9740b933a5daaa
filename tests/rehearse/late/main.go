// Command late serves for half a second after the signal, as one does behind a load balancer, and then stops well.
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
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("late\n")) })
	http.HandleFunc("GET /stream", func(w http.ResponseWriter, _ *http.Request) {
		for range 10 {
			w.Write([]byte("part\n"))
			w.(http.Flusher).Flush()
			time.Sleep(20 * time.Millisecond)
		}
	})
	server := &http.Server{Addr: "127.0.0.1:" + os.Getenv("PORT")}
	go server.ListenAndServe()
	<-ctx.Done()
	time.Sleep(500 * time.Millisecond)
	server.Shutdown(context.Background())
}
