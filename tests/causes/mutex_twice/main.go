// Command mutex_twice: a method that holds its mutex calls another that takes it too, and the shutdown wants it as well.
package main

import (
	"log"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

type ledger struct {
	mu    sync.Mutex
	total int
}

func (l *ledger) book(amount int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total += amount
	l.save() // goward: Mutex
}

func (l *ledger) save() {
	l.mu.Lock()
	defer l.mu.Unlock()
	log.Println("saved", l.total)
}

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	l := &ledger{}
	go l.book(7)
	time.Sleep(100 * time.Millisecond)
	log.Println("ready")

	<-signals
	l.save()
}
