// Command events sends server-sent events for as long as the client listens. At SIGTERM it ends its streams and stops well; with
// -cut it leaves them open and exits after 200 ms; with -forget it waits for them, which nobody ends.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	cut := flag.Bool("cut", false, "exit, and leave the streams as they are")
	forget := flag.Bool("forget", false, "do not end the streams")
	flag.Parse()
	stopping, stop := context.WithCancel(context.Background())
	http.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for n := 0; ; n++ {
			fmt.Fprintf(w, "data: %d\n\n", n)
			w.(http.Flusher).Flush()
			select {
			case <-time.After(100 * time.Millisecond):
			case <-r.Context().Done():
				return
			case <-stopping.Done():
				return
			}
		}
	})
	server := &http.Server{Addr: "127.0.0.1:" + os.Getenv("PORT")}
	if !*forget {
		server.RegisterOnShutdown(stop)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	go server.ListenAndServe()
	<-signals
	if *cut {
		time.Sleep(200 * time.Millisecond)
		return
	}
	server.Shutdown(context.Background())
}
