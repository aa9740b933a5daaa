// Command hang is a server that never finishes its shutdown: one handler waits
// on a channel that nobody closes, and Shutdown waits for the handler.
//
// goward waits, then reads its goroutines before the orchestrator's SIGKILL. The
// log shows goroutine 1 in net/http.(*Server).Shutdown and the handler that it
// waits for, main.hang. The container exits with 137:
//
//	goward -- ./hang -now
//
// Without -now it behaves until somebody asks for /hang.
package main

import (
	"context"
	"flag"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

// answer is what the handler waits for. Nothing sends to it or closes it.
var answer = make(chan string)

func hang(w http.ResponseWriter, r *http.Request) {
	slog.Info("stuck", "path", r.URL.Path)
	w.Write([]byte(<-answer))
}

func main() {
	now := flag.Bool("now", false, "call /hang at once, so that no client is needed")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()

	addr := ":8080"
	if port := os.Getenv("PORT"); port != "" {
		addr = ":" + port
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		slog.Error("cannot listen", "err", err)
		os.Exit(1)
	}
	http.HandleFunc("GET /hang", hang)
	http.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	server := &http.Server{}
	go server.Serve(listener)
	slog.Info("serving", "addr", listener.Addr().String())
	if *now {
		go http.Get("http://" + listener.Addr().String() + "/hang")
	}

	<-ctx.Done()
	slog.Info("stopping, without a timeout of our own")
	server.Shutdown(context.Background()) // The fault: no deadline, and a handler that ignores its context.
	slog.Info("stopped")
}
