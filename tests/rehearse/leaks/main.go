// Command leaks is twenty servers, one for each name: ten that leave goroutines behind for requests, and ten that start goroutines
// too and do not. The line that has to be named is marked.
package main

import (
	"context"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

// handlers by name. Each is called once, and returns what answers requests.
var handlers = map[string]func() http.HandlerFunc{
	"forgotten_receiver":    forgottenReceiver,
	"forgotten_sender":      forgottenSender,
	"ticker":                ticker,
	"after_in_loop":         afterInLoop,
	"body_not_closed":       bodyNotClosed,
	"context_not_cancelled": contextNotCancelled,
	"worker_per_request":    workerPerRequest,
	"subscription":          subscription,
	"errgroup":              errgroup,
	"blocked_log":           blockedLog,

	"keep_alive":       keepAlive,
	"client_pool":      clientPool,
	"connection_pool":  connectionPool,
	"started_once":     startedOnce,
	"grown_workers":    grownWorkers,
	"cache":            cache,
	"late_cleanup":     lateCleanup,
	"idle_batcher":     idleBatcher,
	"fan_out":          fanOut,
	"cancelled_timely": cancelledTimely,
}

func main() {
	make, ok := handlers[os.Args[1]]
	if !ok {
		log.Fatal("no such server: ", os.Args[1])
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	// First of all: some have a listener of their own, and the first is the one that is meant.
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("GET /{$}", make())
	server := &http.Server{}
	go server.Serve(listener)
	<-ctx.Done()
	server.Shutdown(context.Background())
}
