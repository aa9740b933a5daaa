// Command cond: main waits for a condition variable. Goward has no name for it, but says where.
package main

import (
	"log"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

type queue struct {
	mu    sync.Mutex
	empty *sync.Cond
	items []string
}

func (q *queue) drain() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) > 0 {
		q.empty.Wait() // goward: Cond
	}
}

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	q := &queue{items: []string{"last"}}
	q.empty = sync.NewCond(&q.mu)
	log.Println("ready")

	<-signals
	q.drain()
}
