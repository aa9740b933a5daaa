// Command good is a server that stops well: copy it to start from.
//
// On SIGTERM it refuses new connections, finishes the requests in flight and
// exits 0. Under goward it leaves at once; the deadline never comes into play:
//
//	goward -- ./good
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

// version is stamped: go build -ldflags="-X main.version=1.2.3"
var version = "dev"

// stopTimeout is for the requests in flight. goward takes a dump after 8 s of the
// default 10 s; this is shorter, so that a slow client causes no dump.
const stopTimeout = 7 * time.Second

func main() {
	if err := run(); err != nil {
		slog.Error("server failed", "err", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()

	server := &http.Server{
		Addr:              ":8080",
		Handler:           routes(),
		ReadHeaderTimeout: 5 * time.Second,
	}
	if port := os.Getenv("PORT"); port != "" {
		server.Addr = ":" + port
	}
	slog.Info("starting", "addr", server.Addr, "version", version)

	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}

	stop() // From here on a second signal kills, as one expects of it.
	slog.Info("stopping", "timeout", stopTimeout)
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return fmt.Errorf("shutdown: %w", err)
	}
	// ListenAndServe returns as soon as Shutdown begins, so main waits for Shutdown and not for it.
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	slog.Info("stopped")
	return nil
}

func routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "good", version)
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	// A request that takes a while, to see that it is finished before the server leaves: /slow?ms=3000
	mux.HandleFunc("GET /slow", func(w http.ResponseWriter, r *http.Request) {
		ms, err := strconv.Atoi(r.FormValue("ms"))
		if err != nil || ms < 0 {
			http.Error(w, "ms: want a number of milliseconds", http.StatusBadRequest)
			return
		}
		select {
		case <-time.After(time.Duration(ms) * time.Millisecond):
			fmt.Fprintln(w, "done after", ms, "ms")
		case <-r.Context().Done(): // the client has gone
		}
	})
	return mux
}
