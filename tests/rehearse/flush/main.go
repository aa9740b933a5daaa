// Command flush stops well, and takes its time: its last request, and then a worker that flushes what it has.
package main

import (
	"context"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

type worker struct {
	jobs chan int
	wg   sync.WaitGroup
}

func (w *worker) run() {
	defer w.wg.Done()
	for range w.jobs {
	}
	w.flush()
}

func (w *worker) flush() {
	time.Sleep(1500 * time.Millisecond) // flushes
}

func sweep() {
	for {
		time.Sleep(time.Hour) // sweeps
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	w := &worker{jobs: make(chan int)}
	w.wg.Add(1)
	go w.run()
	go sweep()
	http.HandleFunc("GET /slow", func(out http.ResponseWriter, _ *http.Request) {
		time.Sleep(300 * time.Millisecond)
		out.Write([]byte("slow\n"))
	})
	server := &http.Server{Addr: "127.0.0.1:" + os.Getenv("PORT")}
	go server.ListenAndServe()
	<-ctx.Done()
	server.Shutdown(context.Background())
	close(w.jobs)
	w.wg.Wait() // waits
}
