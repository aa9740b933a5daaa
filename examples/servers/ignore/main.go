// Command ignore catches every signal that can be caught and does nothing.
// Programs come to this by a signal.Notify without a list of signals.
//
// It ignores SIGTERM, and prints nothing for SIGQUIT and SIGABRT. goward reads its
// goroutines without a signal, kills it before the orchestrator would, and exits with 137:
//
//	goward -- ./ignore
package main

import (
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals) // The fault: no list means all of them.
	go func() {
		for s := range signals {
			if s != syscall.SIGURG { // the runtime's own, for preemption
				slog.Info("ignored", "signal", s.String())
			}
		}
	}()

	addr := ":8080"
	if port := os.Getenv("PORT"); port != "" {
		addr = ":" + port
	}
	http.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	slog.Info("serving", "addr", addr)
	slog.Error("cannot serve", "err", http.ListenAndServe(addr, nil))
	os.Exit(1)
}
