// Command leak leaks goroutines, and its shutdown waits for them.
//
// LEAK of them (default 1000) wait on a channel on which nobody sends. The HTTP
// server stops well, but the WaitGroup of the workers never reaches zero.
//
// goward's dump shows goroutine 1 in sync.(*WaitGroup).Wait, and a thousand
// goroutines with the same stack, in main.work:
//
//	goward -- ./leak
//	LEAK=20 goward --stop-timeout 4s -- ./leak
package main

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
)

func work(jobs <-chan func()) {
	for job := range jobs {
		job()
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()

	count := 1000
	if s := os.Getenv("LEAK"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			slog.Error("LEAK: want a number", "err", err)
			os.Exit(1)
		}
		count = n
	}
	jobs := make(chan func())
	var workers sync.WaitGroup
	for range count {
		workers.Go(func() { work(jobs) })
	}
	slog.Info("leaked", "goroutines", count)

	addr := ":8080"
	if port := os.Getenv("PORT"); port != "" {
		addr = ":" + port
	}
	http.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	server := &http.Server{Addr: addr}
	go func() {
		slog.Info("serving", "addr", addr)
		if err := server.ListenAndServe(); err != http.ErrServerClosed {
			slog.Error("cannot serve", "err", err)
			os.Exit(1)
		}
	}()

	<-ctx.Done()
	slog.Info("stopping")
	server.Shutdown(context.Background())
	workers.Wait() // The fault: close(jobs) was forgotten, so no worker ever leaves its loop.
	slog.Info("stopped")
}
