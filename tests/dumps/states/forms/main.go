// Goroutines in many states, with labels, generics, method values and creators, for tests/goroutines/forms.rs: SIGQUIT makes
// it print signal.stderr; with -profile it prints debug2.stderr itself.
package main

import (
	"context"
	"net"
	"os"
	"runtime"
	"runtime/pprof"
	"sync"
	"time"
)

type cache struct {
	mu    sync.Mutex
	items map[string]int
}

func (c *cache) get(key string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.items[key]
}

func (c *cache) refresh(done chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	<-done
}

type list[T any] struct{ in chan T }

func (l *list[T]) drain() {
	for range l.in {
	}
}

func worker(id int, jobs <-chan int, wg *sync.WaitGroup) {
	defer wg.Done()
	for range jobs {
		id++
	}
}

func deep(n int, c chan int) {
	if n > 0 {
		deep(n-1, c)
		return
	}
	c <- n
}

func main() {
	c := &cache{items: map[string]int{}}
	go c.refresh(make(chan struct{}))
	time.Sleep(20 * time.Millisecond)
	for range 3 {
		go c.get("a")
	}
	go (&list[string]{make(chan string)}).drain()
	go deep(4, make(chan int))
	go func() { select {} }()
	go func() {
		select {
		case <-make(chan int):
		case <-time.After(time.Hour):
		}
	}()
	go func() {
		runtime.LockOSThread()
		time.Sleep(time.Hour)
	}()
	pprof.Do(context.Background(), pprof.Labels("route", "/api/v1", "user", "al \"x\""), func(context.Context) {
		go func() { <-make(chan int) }()
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go listener.Accept()
	var wg sync.WaitGroup
	jobs := make(chan int)
	for id := range 4 {
		wg.Add(1)
		go worker(id, jobs, &wg)
	}
	time.Sleep(50 * time.Millisecond)
	if len(os.Args) > 1 {
		pprof.Lookup("goroutine").WriteTo(os.Stderr, 2)
		return
	}
	println("ready")
	wg.Wait()
}
