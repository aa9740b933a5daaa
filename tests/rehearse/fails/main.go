// Command fails answers 503 from the signal on, before it stops well: its readiness, as some do it, but for everybody.
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
	http.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		if ctx.Err() != nil {
			http.Error(w, "stopping", http.StatusServiceUnavailable)
		}
	})
	server := &http.Server{Addr: "127.0.0.1:" + os.Getenv("PORT")}
	go server.ListenAndServe()
	<-ctx.Done()
	time.Sleep(200 * time.Millisecond)
	server.Shutdown(context.Background())
}
