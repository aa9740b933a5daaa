// Command rwmutex_recursive: a reader reads again while a writer waits in between. Neither can go on.
package main

import (
	"log"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

type registry struct {
	mu    sync.RWMutex
	names []string
}

func (r *registry) list() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	time.Sleep(100 * time.Millisecond)
	return r.count() // goward: Mutex
}

func (r *registry) count() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.names)
}

func (r *registry) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.names = nil
}

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	r := &registry{}
	go r.list()
	time.Sleep(50 * time.Millisecond)
	go func() {
		time.Sleep(100 * time.Millisecond)
		log.Println("ready")
	}()
	go func() {
		<-signals
		os.Exit(r.count())
	}()
	r.clear()
}
