// Command forget leaks a goroutine with every request: the classic way.
//
// GET / asks three backends and returns the first answer. The other two
// send to a channel from which nobody receives any more, and wait for ever.
// Nothing hangs, nothing fails, and the memory grows. goward finds the line:
//
//	goward rehearse --leaks --no-stop --load / -- ./forget
//	goward rehearse --leaks --no-stop --load / -- ./forget -mended
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

var mended = flag.Bool("mended", false, "with room for the answers that nobody waits for")

func ask(backend int) string {
	time.Sleep(time.Duration(backend) * time.Millisecond)
	return fmt.Sprintln("backend", backend)
}

func first(backends int) string {
	room := 0
	if *mended {
		room = backends
	}
	answers := make(chan string, room)
	for backend := range backends {
		go func() {
			answers <- ask(backend) // The fault: every later answer waits here for ever.
		}()
	}
	return <-answers
}

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()

	addr := ":8080"
	if port := os.Getenv("PORT"); port != "" {
		addr = ":" + port
	}
	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, first(3))
	})
	server := &http.Server{Addr: addr}
	go func() {
		slog.Info("serving", "addr", addr)
		if err := server.ListenAndServe(); err != http.ErrServerClosed {
			slog.Error("cannot serve", "err", err)
			os.Exit(1)
		}
	}()

	<-ctx.Done()
	server.Shutdown(context.Background())
	slog.Info("stopped")
}
