package main

import (
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := make(chan int)
		var mu sync.Mutex
		mu.Lock()
		go func() { <-c }()
		go func() { <-c }()
		go func() { mu.Lock() }()
		go func() {
			time.Sleep(time.Hour)
		}()
		for i := 0; i < 1000000; i++ {
		}
		syscall.Kill(os.Getpid(), syscall.SIGQUIT)
		<-c
	})
}
