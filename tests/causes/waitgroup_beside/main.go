// Command waitgroup_beside: two workers do not end, and twenty leaked goroutines, started elsewhere, hold up nothing.
package main

import (
	"log"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

func watch(file string) <-chan string {
	changes := make(chan string)
	go func() {
		time.Sleep(time.Millisecond)
		changes <- file // goward: never
	}()
	return changes
}

func mail(outbox <-chan string) {
	for letter := range outbox { // goward: WaitGroup
		log.Println(letter)
	}
}

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	for range 20 {
		watch("settings")
	}
	outbox := make(chan string)
	var mailers sync.WaitGroup
	for range 2 {
		mailers.Add(1)
		go func() {
			defer mailers.Done()
			mail(outbox)
		}()
	}
	log.Println("ready")

	<-signals
	mailers.Wait()
}
