// Command waitgroup_missed: one way out of a goroutine has no Done.
package main

import (
	"errors"
	"log"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

func upload(i int) error {
	if i == 3 {
		return errors.New("no such bucket")
	}
	return nil
}

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	var uploads sync.WaitGroup
	for i := range 5 {
		uploads.Add(1)
		go func() {
			if err := upload(i); err != nil {
				log.Println(err)
				return // The fault: no Done.
			}
			uploads.Done()
		}()
	}
	log.Println("ready")

	<-signals
	uploads.Wait() // goward: WaitGroup
}
