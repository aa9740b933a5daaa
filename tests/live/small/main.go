// A program that is as small as one with goroutines can be: its memory is recorded.
package main

import (
	"os"
	"sync"
	"time"
)

type queue[T any] struct{ items chan T }

func (q *queue[T]) wait() { <-q.items }

func nested(depth int, mu *sync.Mutex) {
	if depth == 0 {
		mu.Lock()
		return
	}
	nested(depth-1, mu)
}

func main() {
	var mu sync.Mutex
	mu.Lock()
	q := &queue[int]{make(chan int)}
	started := make(chan int)
	for i := 0; i < 3; i++ {
		go func() { started <- 1; q.wait() }()
	}
	go func() { started <- 1; nested(200, &mu) }()
	go func() { started <- 1; wait(q) }()
	for i := 0; i < 5; i++ {
		<-started
	}
	// Until they wait for what they are to wait for.
	time.Sleep(100 * time.Millisecond)
	os.Stdout.WriteString("ready\n")
	time.Sleep(time.Hour)
}

//go:noinline
func wait(q *queue[int]) { q.wait() }
