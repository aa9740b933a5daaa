// Command mutex_order: two transfers lock the same two accounts in opposite order.
package main

import (
	"log"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

type account struct {
	mu      sync.Mutex
	balance int
}

func transfer(from, to *account, amount int) {
	from.mu.Lock()
	defer from.mu.Unlock()
	time.Sleep(50 * time.Millisecond)
	to.mu.Lock() // goward: LockOrder
	defer to.mu.Unlock()
	from.balance -= amount
	to.balance += amount
}

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	var a, b account
	var transfers sync.WaitGroup
	transfers.Add(2)
	go func() {
		defer transfers.Done()
		transfer(&a, &b, 5)
	}()
	go func() {
		defer transfers.Done()
		transfer(&b, &a, 3)
	}()
	time.Sleep(150 * time.Millisecond)
	log.Println("ready")

	<-signals
	transfers.Wait()
}
