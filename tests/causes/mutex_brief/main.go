// Command mutex_brief: a mutex that is much in demand, and never held for long. What main waits for is another thing.
package main

import (
	"log"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

type meter struct {
	mu sync.Mutex
	n  int
}

func (m *meter) count() {
	for {
		m.mu.Lock() // goward: never
		m.n++
		time.Sleep(time.Millisecond) // goward: never
		m.mu.Unlock()
	}
}

func (m *meter) start() {
	for range 8 {
		go m.count()
	}
}

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	(&meter{}).start()
	flushed := make(chan struct{})
	log.Println("ready")

	<-signals
	<-flushed // goward: Receive
}
